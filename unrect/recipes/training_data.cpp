#include "unrect/recipes/training_data.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <numbers>
#include <numeric>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/recipes/ensemble.hpp"
#include "unrect/sensing/datasets.hpp"
#include "unrect/sensing/deformation.hpp"

namespace unrect {
namespace {

using Rows = MatrixOf<float>;

// Where nothing else is asked for. Of images:
constexpr int kPhases = 4;
constexpr Index kCrop = 124, kCropsAnEpoch = 512, kHeldCrops = 64;
const Index kChannels = Unrolled{}.channels;
// Of other data: a part of the samples, at most so many; those of generated sets.
constexpr Index kHeldOutPart = 10, kMostHeldOut = 1000, kDigits = 5000, kSpirals = 2500;

constexpr std::string_view kTasks[] = {"recovery", "classify", "regress"};  // in the enumeration's order

// Streams of the seed.
enum Stream : std::uint64_t { kSensing = 1, kOrder, kTest, kSpiral, kBend, kCrops, kWeights, kLeaves };

// What a file or folder holds: rows x, and for each of them a row y or a label.
struct Content {
  Rows x, y;
  Array grey;  // in x's place, as MNIST has it: bytes, 255 of which are 1; a quarter of the memory
  std::vector<int> labels;
  std::vector<Index> extents;  // of the array that x comes from

  bool is_grey() const { return !grey.bytes.empty(); }
  Index size() const { return is_grey() ? extents[0] : x.rows(); }
  Index values() const { return is_grey() ? grey.size() / size() : x.cols(); }
  bool is_nowhere_negative() const { return is_grey() || x.minCoeff() >= 0; }
};

// Grey values become numbers here, those that are asked for.
Content rows_of(const Content& all, const std::vector<Index>& rows) {
  Content part;
  part.extents = all.extents;
  if (all.is_grey()) {
    const Index width = all.values();
    part.x.resize(std::ssize(rows), width);
    for (Index i = 0; i < part.x.rows(); ++i) {
      const char* const from = all.grey.bytes.data() + rows[static_cast<std::size_t>(i)] * width;
      std::transform(from, from + width, part.x.row(i).data(),
                     [](char byte) { return static_cast<float>(static_cast<unsigned char>(byte)) / 255.F; });
    }
  } else {
    part.x = all.x(rows, Eigen::all);
  }
  if (all.y.size() > 0) part.y = all.y(rows, Eigen::all);
  for (const Index row : rows) {
    if (!all.labels.empty()) part.labels.push_back(all.labels[static_cast<std::size_t>(row)]);
  }
  return part;
}

Rows to_rows(const Array& array, std::string_view name) {
  UNRECT_REQUIRE(!array.shape.empty() && array.shape[0] > 0 && array.size() > 0, ErrorCode::kFormat,
                 "{}: an array without rows; expected one sample a row", name);
  Rows rows(array.shape[0], array.size() / array.shape[0]);
  if (array.type == DType::kFloat32) {
    std::memcpy(rows.data(), array.bytes.data(), array.bytes.size());
  } else {
    rows = Eigen::Map<const Matrix>(array.to_vector().data(), rows.rows(), rows.cols()).cast<float>();
  }
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

bool holds_idx(const std::filesystem::path& folder) {
  return std::ranges::any_of(std::filesystem::directory_iterator(folder), [](const auto& entry) {
    return entry.path().filename().string().find("-idx") != std::string::npos;
  });
}

Content read_mnist(const std::filesystem::path& folder, const std::string& part) {
  Content content;
  const std::filesystem::path images = idx_file(folder, part + "-images-idx3-ubyte");
  Array array = read_idx(images);
  content.extents = array.shape;
  if (array.type == DType::kUInt8 && array.shape.size() > 1 && array.size() > 0) {
    content.grey = std::move(array);
  } else {
    content.x = to_rows(array, images.string());
    content.x /= 255.F;
  }
  const std::filesystem::path labels = idx_file(folder, part + "-labels-idx1-ubyte");
  content.labels = to_labels(read_idx(labels), labels.string());
  UNRECT_REQUIRE(static_cast<Index>(content.labels.size()) == content.size(), ErrorCode::kFormat,
                 "{}: {} labels for {} images", labels.string(), content.labels.size(), content.size());
  return content;
}

Content read_npy_content(const std::string& names, LearningTask task) {
  const std::size_t comma = names.find(',');
  UNRECT_REQUIRE((comma == std::string::npos) == (task == LearningTask::kRecovery), ErrorCode::kInvalidArgument,
                 "{}: expected {}", names,
                 task == LearningTask::kRecovery ? "a folder with MNIST or one file of signals, x.npy"
                                                 : "two files, x.npy,y.npy, or a folder with MNIST");
  const std::string x = names.substr(0, comma);
  Content content;
  const Array signals = read_npy(x);
  content.extents = signals.shape;
  content.x = to_rows(signals, x);
  if (task == LearningTask::kRecovery) return content;
  const std::string y = names.substr(comma + 1);
  const Array array = read_npy(y);
  UNRECT_REQUIRE(!array.shape.empty() && array.shape[0] == content.size(), ErrorCode::kInvalidArgument,
                 "{}: {} rows for {} of {}", y, array.shape.empty() ? 0 : array.shape[0], content.size(), x);
  if (task == LearningTask::kClassify) {
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
    Matrix phi = read_npy(request.phi).to_matrix(request.phi.string());
    UNRECT_REQUIRE(phi.cols() == signal && phi.allFinite(), ErrorCode::kInvalidArgument,
                   "{}: a matrix of {} × {}; expected finite numbers in {} columns, as many as a signal has values",
                   request.phi.string(), phi.rows(), phi.cols(), signal);
    return phi;
  }
  const Index m = request.measurements;
  UNRECT_REQUIRE(m >= 1 && m <= signal, ErrorCode::kInvalidArgument,
                 "measurements: {}; expected 1 … {}, the values of a signal, or Φ from a file", m, signal);
  return Rng(request.seed).split(kSensing).normal_matrix(m, signal) / std::sqrt(static_cast<double>(m));
}

// Drawn ones, as MNIST's are stored.
Content digits(const DataRequest& request) {
  const Index wanted = request.samples > 0 ? request.samples + request.validation.value_or(0) : kDigits;
  DigitSet drawn = draw_digits(wanted + wanted / 5, request.seed);
  Content content;
  content.x = std::move(drawn.images);
  for (const std::int64_t label : drawn.labels) content.labels.push_back(static_cast<int>(label));
  content.extents = {content.size(), DigitSet::kSide, DigitSet::kSide};
  return content;
}

Sampling image_sampling(const DataRequest& request) {
  if (!request.phi.empty()) return read_sampling(request.phi);
  if (request.any_operator) return draw_sampling(SensingKind::kOrthonormal, 1, kBlockSide, 0);  // for its block alone
  UNRECT_REQUIRE(request.measurements >= 1 && request.measurements <= kBlockSide * kBlockSide,
                 ErrorCode::kInvalidArgument,
                 "measurements: {}; expected 1 … {}, the pixels of a block, or Φ from a file, or any operator",
                 request.measurements, kBlockSide * kBlockSide);
  return draw_sampling(SensingKind::kOrthonormal, request.measurements, kBlockSide, request.seed);
}

// How an epoch's images are measured.
struct Sensor {
  Sampling sampling;
  double noise = 0;
};

// For a network that is to work with any operator and noise: orthonormal rows, ratios from 1 to 50 %, low ones as often
// as twice as high ones; every other epoch noise, σ = 0.003 … 0.1.
Sensor any_sensor(Index block, const Rng& rng, int epoch) {
  Rng own = rng.split(kSensing).split(static_cast<std::uint64_t>(epoch));
  const double ratio = 0.01 * std::pow(50, own.uniform());
  Sampling sampling =
      draw_sampling(SensingKind::kOrthonormal, measurements_for(ratio, block * block), block, own.next());
  return {std::move(sampling), epoch % 2 == 1 ? 0.003 * std::pow(100.0 / 3, own.uniform()) : 0};
}

TrainingData image_recovery(const DataRequest& request) {
  UNRECT_REQUIRE(request.teachers.empty() && request.augment == 0, ErrorCode::kInvalidArgument,
                 "{}: images; teachers and augmentation go with MNIST's folder and signals in files", request.data);
  const Rng rng(request.seed);
  std::vector<Image> train, held;
  for (NamedImage& named : images_of(request.data, rng.split(kLeaves))) train.push_back(std::move(named.image));
  UNRECT_REQUIRE(train.size() >= 2, ErrorCode::kInvalidArgument, "{}: one image; expected at least two, one held out",
                 request.data);
  for (std::size_t i = std::max<std::size_t>(1, train.size() / 20); i > 0; --i) {
    held.push_back(std::move(train.back()));
    train.pop_back();
  }
  const Sampling given = image_sampling(request);
  const Index block = given.block;
  const PixelStatistics statistics = pixel_statistics(block_statistics(train, block));
  UNRECT_REQUIRE(statistics.lags(0, 0) > 1e-12, ErrorCode::kInvalidArgument,
                 "{}: images of one grey; expected some to learn from", request.data);
  const auto largest_crop = [](const std::vector<Image>& images) {
    Index side = 0;
    for (const Image& image : images) side = std::max(side, std::min(image.rows(), image.cols()));
    return side;
  };
  const Index side = request.crop.value_or(std::min({kCrop, largest_crop(train), largest_crop(held)}));
  const Crops crops(std::move(train), side), held_crops(std::move(held), side);
  Unrolled start = request.start.empty() ? Unrolled::random(statistics, request.phases.value_or(kPhases),
                                                            request.channels.value_or(kChannels), rng.split(kWeights))
                                         : read_unrolled(request.start);
  if (request.phases) start = start.deepened(*request.phases);
  const Index count = request.samples > 0 ? request.samples : kCropsAnEpoch;
  const auto network = [start, side](const Sensor& sensor) {
    return start.trainable(sensor.sampling.phi.to_matrix(), side, side, sensor.noise);
  };
  const auto sensor_of = [given, block, rng, any = request.any_operator](int epoch) {
    return any ? any_sensor(block, rng, epoch) : Sensor{given};
  };
  TrainingData result;
  result.sensing = given.phi.to_matrix();
  result.images = ImageRecovery{start, network(sensor_of(0)), {}};
  result.renew = [=](int epoch) {
    const Sensor sensor = sensor_of(epoch);
    return measured_crops(crops, sensor.sampling, count, rng.split(kCrops).split(static_cast<std::uint64_t>(epoch)),
                          sensor.noise);
  };
  if (request.any_operator) result.images->relay = [=](int epoch) { return network(sensor_of(epoch)).network; };
  result.train = result.renew(0);
  const Sampling first = sensor_of(0).sampling;
  if (!request.any_operator)
    result.validation = measured_crops(held_crops, first, request.validation.value_or(kHeldCrops), rng.split(kOrder));
  result.test = measured_crops(held_crops, first, kHeldCrops, rng.split(kTest));
  return result;
}

// Row after row of blocks: the signals in double would be twice what they are.
Samples sensed(Rows x, const Matrix& phi) {
  constexpr Index kRows = 4096;
  Rows y(x.rows(), phi.rows());
  for (Index at = 0, count = 0; at < x.rows(); at += count) {
    const Index left = x.rows() - at;
    count = left < 2 * kRows ? left : kRows;  // no small ones, whose products are rounded in another order
    y.middleRows(at, count) = (x.middleRows(at, count).cast<double>() * phi.transpose()).cast<float>();
  }
  return {std::move(y), std::move(x)};
}

// In the targets' place what the teachers say, if there are any.
Samples taught(Samples samples, const Ensemble& teachers) {
  if (!teachers.empty()) samples.targets = teachers(samples.inputs);
  return samples;
}

// The training pictures, bent by the seed and the epoch.
std::function<Samples(int)> bent(Content train, const Matrix& phi, const Ensemble& teachers,
                                 const DataRequest& request) {
  UNRECT_REQUIRE(request.task == LearningTask::kRecovery && train.extents.size() == 3 && train.x.minCoeff() >= 0,
                 ErrorCode::kInvalidArgument,
                 "augmentation: {} has {} extents; expected a recovery of pictures that are nowhere negative, count × "
                 "height × width",
                 request.data, train.extents.size());
  const Deformation plain;
  const Deformation how{request.augment * plain.affine, request.augment * plain.elastic, plain.lattice};
  const auto shared = std::make_shared<const Content>(std::move(train));
  return [shared, phi, teachers, how, rng = Rng(request.seed).split(kBend)](int epoch) {
    return taught(sensed(deformed(shared->x, shared->extents[1], shared->extents[2], how,
                                  rng.split(static_cast<std::uint64_t>(epoch))),
                         phi),
                  teachers);
  };
}

}  // namespace

std::string_view name_of(LearningTask task) { return kTasks[static_cast<std::size_t>(task)]; }

LearningTask task_named(std::string_view name) {
  const auto found = std::ranges::find(kTasks, name);
  UNRECT_REQUIRE(found != std::end(kTasks), ErrorCode::kInvalidArgument, "task '{}'; expected one of {}", name,
                 fmt::join(kTasks, ", "));
  return static_cast<LearningTask>(found - std::begin(kTasks));
}

std::string_view DataRequest::otherwise(std::string_view field) {
  static const std::map<std::string_view, std::string> words{
      {"samples", fmt::format("all that are not held out; images: {} crops an epoch", kCropsAnEpoch)},
      {"validation", fmt::format("1/{}, at most {}; images: {} crops", kHeldOutPart, kMostHeldOut, kHeldCrops)},
      {"phases", fmt::format("{}, or as many as the start has", kPhases)},
      {"channels", fmt::format("{}", kChannels)},
      {"crop", fmt::format("{}, or what the images hold", kCrop)}};
  return words.at(field);
}

TrainingData read_training_data(const DataRequest& request) {
  validate(request);
  const bool folder = std::filesystem::is_directory(request.data);
  if (request.task == LearningTask::kRecovery && (request.data == kLeavesName || (folder && !holds_idx(request.data))))
    return image_recovery(request);
  const Rng rng(request.seed);
  Content all, test;
  if (folder) {
    UNRECT_REQUIRE(request.task != LearningTask::kRegress, ErrorCode::kInvalidArgument,
                   "{}: a folder; regression takes two files, x.npy,y.npy", request.data);
    all = read_mnist(request.data, "train");
    test = read_mnist(request.data, "t10k");
    UNRECT_REQUIRE(test.values() == all.values(), ErrorCode::kFormat,
                   "{}: images of {} pixels in train and of {} in t10k; expected one size", request.data, all.values(),
                   test.values());
  } else {
    if (request.data == "spiral") {
      UNRECT_REQUIRE(request.task == LearningTask::kClassify, ErrorCode::kInvalidArgument,
                     "spiral: a task of classes alone");
      all = spiral(request.samples > 0 ? 2 * request.samples + 10 * request.validation.value_or(0) : kSpirals,
                   rng.split(kSpiral));
    } else if (request.data == "digits") {
      UNRECT_REQUIRE(request.task != LearningTask::kRegress, ErrorCode::kInvalidArgument,
                     "digits: tasks of recovery or classes alone");
      all = digits(request);
    } else {
      all = read_npy_content(request.data, request.task);
    }
    const std::vector<Index> order = permutation(all.size(), rng.split(kTest));
    const Index held = std::max<Index>(1, all.size() / kHeldOutPart);
    UNRECT_REQUIRE(all.size() >= 2, ErrorCode::kInvalidArgument,
                   "{}: one sample; expected at least two, one of them for the test", request.data);
    test = rows_of(all, {order.begin(), order.begin() + held});
    all = rows_of(all, {order.begin() + held, order.end()});
  }
  const Index validation_size = request.validation.value_or(std::min(kMostHeldOut, all.size() / kHeldOutPart));
  UNRECT_REQUIRE(validation_size < all.size(), ErrorCode::kInvalidArgument,
                 "validation: {} of {} samples; expected fewer", validation_size, all.size());
  const Index most = all.size() - validation_size;
  UNRECT_REQUIRE(request.samples <= all.size(), ErrorCode::kInvalidArgument, "samples: {}; {} has {} to train on",
                 request.samples, request.data, all.size());
  const Index count = request.samples > 0 ? std::min(request.samples, most) : most;
  const std::vector<Index> order = permutation(all.size(), rng.split(kOrder));
  Content validation = rows_of(all, {order.begin(), order.begin() + validation_size});
  Content train = rows_of(all, {order.begin() + validation_size, order.begin() + validation_size + count});
  if (test.is_grey()) {
    std::vector<Index> in_order(static_cast<std::size_t>(test.size()));
    std::iota(in_order.begin(), in_order.end(), Index{0});
    test = rows_of(test, in_order);
  }

  TrainingData result;
  if (!all.extents.empty()) result.extents.assign(all.extents.begin() + 1, all.extents.end());
  const int classes = all.labels.empty()
                          ? 0
                          : std::max(*std::ranges::max_element(all.labels), *std::ranges::max_element(test.labels)) + 1;
  UNRECT_REQUIRE(classes <= all.size(), ErrorCode::kInvalidArgument,
                 "{}: label {} among {} samples; expected fewer classes than samples", request.data, classes - 1,
                 all.size());
  if (request.task == LearningTask::kRecovery) {
    result.sensing = sensing_matrix(request, all.values());
    result.relu_output = all.is_nowhere_negative();
  }
  const auto samples = [&](Content content) -> Samples {
    switch (request.task) {
      case LearningTask::kRecovery:
        return sensed(std::move(content.x), result.sensing);
      case LearningTask::kClassify:
        return {std::move(content.x), one_hot(content.labels, classes, request.data)};
      default:
        return {std::move(content.x), std::move(content.y)};
    }
  };
  if (request.task == LearningTask::kClassify) result.loss.kind = Loss::Kind::kCrossEntropy;
  UNRECT_REQUIRE(request.teachers.empty() || request.task == LearningTask::kRecovery, ErrorCode::kInvalidArgument,
                 "teachers go with recovery");
  const Ensemble teachers(request.teachers, result.sensing);
  if (request.augment > 0) result.renew = bent(std::move(train), result.sensing, teachers, request);
  result.train = result.renew ? result.renew(0) : taught(samples(std::move(train)), teachers);
  result.validation = samples(std::move(validation));
  result.test = samples(std::move(test));
  check(result.train, request.data);  // Φx can overflow where x does not
  if (result.validation.size() > 0) check(result.validation, request.data);
  check(result.test, request.data);
  return result;
}

}  // namespace unrect
