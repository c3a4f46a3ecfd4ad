#include "training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"

namespace unrect::cli {
namespace {

using Rows = MatrixOf<float>;

// Streams of the seed.
enum Stream : std::uint64_t { kSensing = 1, kOrder, kTest, kSpiral };

// What a file or folder holds: rows x, and for each of them a row y or a label.
struct Content {
  Rows x, y;
  std::vector<int> labels;

  Index size() const { return x.rows(); }
};

Content rows_of(const Content& all, const std::vector<Index>& rows) {
  Content part;
  part.x = all.x(rows, Eigen::all);
  if (all.y.size() > 0) part.y = all.y(rows, Eigen::all);
  for (const Index row : rows) {
    if (!all.labels.empty()) part.labels.push_back(all.labels[static_cast<std::size_t>(row)]);
  }
  return part;
}

Rows to_rows(const Array& array, std::string_view name) {
  UNRECT_REQUIRE(!array.shape.empty() && array.shape[0] > 0 && array.size() > 0, ErrorCode::kFormat,
                 "{}: an array without rows; expected one sample a row", name);
  const Vector values = array.to_vector();
  Rows rows = Eigen::Map<const Matrix>(values.data(), array.shape[0], array.size() / array.shape[0]).cast<float>();
  check_finite(rows, name);  // before the rows are mixed: the one that is named is the file's
  return rows;
}

std::vector<int> to_labels(const Array& array, std::string_view name) {
  const Vector values = array.to_vector();
  std::vector<int> labels;
  for (Index i = 0; i < values.size(); ++i) {
    UNRECT_REQUIRE(values[i] == std::floor(values[i]) && values[i] >= 0 && values[i] < 65536,
                   ErrorCode::kInvalidArgument, "{}: label {} in row {}; expected a whole number from 0", name,
                   values[i], i);
    labels.push_back(static_cast<int>(values[i]));
  }
  return labels;
}

std::filesystem::path idx_file(const std::filesystem::path& folder, const std::string& name) {
  for (const char* const ending : {".gz", ""}) {
    if (std::filesystem::exists(folder / (name + ending))) return folder / (name + ending);
  }
  throw Error(ErrorCode::kFile,
              fmt::format("{}: no {} nor {}.gz in it; expected MNIST's IDX files", folder.string(), name, name));
}

Content read_mnist(const std::filesystem::path& folder, const std::string& part) {
  Content content;
  const std::filesystem::path images = idx_file(folder, part + "-images-idx3-ubyte");
  content.x = to_rows(read_idx(images), images.string()) / 255.F;
  const std::filesystem::path labels = idx_file(folder, part + "-labels-idx1-ubyte");
  content.labels = to_labels(read_idx(labels), labels.string());
  UNRECT_REQUIRE(static_cast<Index>(content.labels.size()) == content.size(), ErrorCode::kFormat,
                 "{}: {} labels for {} images", labels.string(), content.labels.size(), content.size());
  return content;
}

Content read_npy_content(const std::string& names, Task task) {
  const std::size_t comma = names.find(',');
  UNRECT_REQUIRE((comma == std::string::npos) == (task == Task::kRecovery), ErrorCode::kInvalidArgument,
                 "--data {}: expected {}", names,
                 task == Task::kRecovery ? "a folder with MNIST or one file of signals, x.npy"
                                         : "two files, x.npy,y.npy, or a folder with MNIST");
  const std::string x = names.substr(0, comma);
  Content content;
  content.x = to_rows(read_npy(x), x);
  if (task == Task::kRecovery) return content;
  const std::string y = names.substr(comma + 1);
  const Array array = read_npy(y);
  UNRECT_REQUIRE(!array.shape.empty() && array.shape[0] == content.size(), ErrorCode::kInvalidArgument,
                 "{}: {} rows for {} of {}", y, array.shape.empty() ? 0 : array.shape[0], content.size(), x);
  if (task == Task::kClassify) {
    UNRECT_REQUIRE(array.size() == content.size(), ErrorCode::kInvalidArgument,
                   "{}: {} values for {} samples; expected one label each", y, array.size(), content.size());
    content.labels = to_labels(array, y);
  } else {
    content.y = to_rows(array, y);
  }
  return content;
}

// Two arms of a spiral with one and a half turns in [−1, 1]², a class each.
Content spiral(Index count, Rng rng) {
  Content content;
  content.x.resize(count, 2);
  for (Index i = 0; i < count; ++i) {
    const double t = std::sqrt(rng.uniform());
    const double angle = 3 * std::numbers::pi * t + std::numbers::pi * static_cast<double>(i % 2);
    content.x.row(i) << static_cast<float>(0.9 * t * std::cos(angle) + 0.02 * rng.normal()),
        static_cast<float>(0.9 * t * std::sin(angle) + 0.02 * rng.normal());
    content.labels.push_back(static_cast<int>(i % 2));
  }
  return content;
}

Matrix sensing_matrix(const DataRequest& request, Index signal) {
  if (!request.phi.empty()) {
    const Matrix phi = read_npy(request.phi).to_matrix(request.phi.string());
    UNRECT_REQUIRE(phi.cols() == signal && phi.allFinite(), ErrorCode::kInvalidArgument,
                   "{}: a matrix of {} × {}; expected finite numbers in {} columns, as many as a signal has values",
                   request.phi.string(), phi.rows(), phi.cols(), signal);
    return phi;
  }
  const Index m = request.measurements;
  UNRECT_REQUIRE(m >= 1 && m <= signal, ErrorCode::kInvalidArgument,
                 "--measurements {}: expected 1 … {}, the values of a signal", m, signal);
  return Rng(request.seed).split(kSensing).normal_matrix(m, signal) / std::sqrt(static_cast<double>(m));
}

}  // namespace

TrainingData read_training_data(const DataRequest& request) {
  const Rng rng(request.seed);
  Content all, test;
  if (std::filesystem::is_directory(request.data)) {
    UNRECT_REQUIRE(request.task != Task::kRegress, ErrorCode::kInvalidArgument,
                   "--data {}: a folder; --task regress takes two files, x.npy,y.npy", request.data);
    all = read_mnist(request.data, "train");
    test = read_mnist(request.data, "t10k");
    UNRECT_REQUIRE(test.x.cols() == all.x.cols(), ErrorCode::kFormat,
                   "{}: images of {} pixels in train and of {} in t10k; expected one size", request.data, all.x.cols(),
                   test.x.cols());
  } else {
    if (request.data == "spiral") {
      UNRECT_REQUIRE(request.task == Task::kClassify, ErrorCode::kInvalidArgument,
                     "--data spiral goes with --task classify");
      all = spiral(request.samples > 0 ? 2 * request.samples + 10 * request.validation.value_or(0) : 2500,
                   rng.split(kSpiral));
    } else {
      all = read_npy_content(request.data, request.task);
    }
    const std::vector<Index> order = permutation(all.size(), rng.split(kTest));
    const Index held = std::max<Index>(1, all.size() / 10);
    UNRECT_REQUIRE(all.size() >= 2, ErrorCode::kInvalidArgument,
                   "{}: one sample; expected at least two, one of them for the test", request.data);
    test = rows_of(all, {order.begin(), order.begin() + held});
    all = rows_of(all, {order.begin() + held, order.end()});
  }
  const Index validation_size = request.validation.value_or(std::min<Index>(1000, all.size() / 10));
  UNRECT_REQUIRE(validation_size < all.size(), ErrorCode::kInvalidArgument,
                 "--validation {}: {} samples are there; expected fewer", validation_size, all.size());
  const Index most = all.size() - validation_size;
  UNRECT_REQUIRE(request.samples <= all.size(), ErrorCode::kInvalidArgument, "--samples {}: {} has {} to train on",
                 request.samples, request.data, all.size());
  const Index count = request.samples > 0 ? std::min(request.samples, most) : most;
  const std::vector<Index> order = permutation(all.size(), rng.split(kOrder));
  const Content validation = rows_of(all, {order.begin(), order.begin() + validation_size});
  const Content train = rows_of(all, {order.begin() + validation_size, order.begin() + validation_size + count});

  TrainingData result;
  const int classes = all.labels.empty()
                          ? 0
                          : std::max(*std::ranges::max_element(all.labels), *std::ranges::max_element(test.labels)) + 1;
  UNRECT_REQUIRE(classes <= all.size(), ErrorCode::kInvalidArgument,
                 "{}: label {} among {} samples; expected fewer classes than samples", request.data, classes - 1,
                 all.size());
  if (request.task == Task::kRecovery) {
    result.sensing = sensing_matrix(request, all.x.cols());
    result.relu_output = all.x.minCoeff() >= 0;
  }
  const auto samples = [&](const Content& content) -> Samples {
    switch (request.task) {
      case Task::kRecovery:
        return {(content.x.cast<double>() * result.sensing.transpose()).cast<float>(), content.x};
      case Task::kClassify:
        return {content.x, one_hot(content.labels, classes, request.data)};
      default:
        return {content.x, content.y};
    }
  };
  if (request.task == Task::kClassify) result.loss.kind = Loss::Kind::kCrossEntropy;
  result.train = samples(train);
  result.validation = samples(validation);
  result.test = samples(test);
  check(result.train, request.data);  // Φx can overflow where x does not
  if (result.validation.size() > 0) check(result.validation, request.data);
  check(result.test, request.data);
  return result;
}

}  // namespace unrect::cli
