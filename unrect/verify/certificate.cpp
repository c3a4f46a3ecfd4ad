#include "unrect/verify/certificate.hpp"

#include <fmt/format.h>

#include <bit>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/internal/hash.hpp"
#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

constexpr std::int64_t kFormat = 1;

void add(Hash& hash, const Halfspaces& rows) {
  hash.add(rows.normals);
  hash.add(rows.offsets);
}

void add(Hash& hash, const std::vector<Index>& index) {
  hash.add(index.size());
  for (const Index i : index) hash.add(i);
}

// Of all that the file says: whoever changes one number of it changes this.
std::int64_t seal_of(const Certificate& c) {
  Hash hash;
  hash.add(kFormat);
  hash.add(c.network);
  hash.add(c.property);
  hash.add(c.witness.has_value() ? 1 : 0);
  if (c.witness) hash.add(*c.witness);
  hash.add(c.steps.size());
  for (const ProofStep& step : c.steps) {
    hash.add(static_cast<int>(step.kind));
    hash.add(step.node);
    hash.add(step.unit);
    hash.add(step.at);
  }
  hash.add(c.multipliers.size());
  for (const double m : c.multipliers) hash.add(m);
  return std::bit_cast<std::int64_t>(hash.value());
}

// The arrays of the file, each of the kind that is expected.
class Reader {
 public:
  Reader(std::string_view bytes, std::string_view name) : arrays_(parse_npz(bytes, name)), name_(name) {}

  const Array& get(std::string_view key, DType type) {
    const auto found = arrays_.find(std::string(key));
    UNRECT_REQUIRE(found != arrays_.end(), ErrorCode::kFormat, "{}: no array '{}'; expected a certificate of unrect",
                   name_, key);
    const Array& array = found->second;
    UNRECT_REQUIRE(array.type == type && array.shape.size() == 1, ErrorCode::kFormat,
                   "{}: array '{}' is {} of {} dimensions; expected {} of 1", name_, key, name_of(array.type),
                   array.shape.size(), name_of(type));
    ++read_;
    return array;
  }
  bool has(std::string_view key) const { return arrays_.contains(std::string(key)); }
  std::vector<std::int64_t> whole_numbers(std::string_view key) {
    const Array& array = get(key, DType::kInt64);
    std::vector<std::int64_t> values(static_cast<std::size_t>(array.size()));
    if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), values.size() * sizeof(std::int64_t));
    return values;
  }
  std::vector<double> numbers(std::string_view key) {
    const Vector values = get(key, DType::kFloat64).to_vector();
    return {values.begin(), values.end()};
  }
  void finish() const {
    UNRECT_REQUIRE(read_ == arrays_.size(), ErrorCode::kFormat, "{}: {} arrays more than a certificate has", name_,
                   arrays_.size() - read_);
  }

 private:
  ArrayMap arrays_;
  std::string_view name_;
  std::size_t read_ = 0;
};

}  // namespace

std::uint64_t fingerprint(const Network& network) {
  Hash hash;
  for (const Node& node : network.nodes()) {
    hash.add(node.op->index());
    hash.add(node.size);
    hash.add(node.inputs.size());
    for (const int input : node.inputs) hash.add(input);
    by_kind(
        *node.op, alike<Input, Concat>([](const auto&) {}),
        [&](const Dense& dense) {
          hash.add(dense.weight);
          hash.add(dense.bias);
        },
        [&](const Convolution& c) {
          const Window& w = c.window;
          for (const Index extent :
               {c.groups, w.channels, w.height, w.width, w.kernel_height, w.kernel_width, w.stride_height,
                w.stride_width, w.dilation_height, w.dilation_width, w.pad_top, w.pad_left, w.pad_bottom, w.pad_right})
            hash.add(extent);
          hash.add(c.kernel);
          hash.add(c.bias);
        },
        [&](const Scale& scale) {
          hash.add(scale.factor);
          hash.add(scale.shift);
        },
        [&](const Select& select) {
          add(hash, select.index);
          hash.add(select.fill);
        },
        [&](const Sum& sum) {
          for (const double factor : sum.factors) hash.add(factor);
        },
        [&](const Piecewise& f) {
          hash.add(f.breaks);
          hash.add(f.slopes);
          hash.add(f.offsets);
        },
        [&](const Maximum& m) {
          hash.add(m.width);
          add(hash, m.index);
        });
  }
  hash.add(network.output());
  return hash.value();
}

std::uint64_t fingerprint(const Property& property) {
  Hash hash;
  hash.add(property.inputs);
  hash.add(property.outputs);
  hash.add(property.cases.size());
  for (const Property::Case& one : property.cases) {
    hash.add(one.box.lower);
    hash.add(one.box.upper);
    add(hash, one.input_rows);
    hash.add(one.unsafe_outputs.size());
    for (const Halfspaces& polytope : one.unsafe_outputs) add(hash, polytope);
  }
  return hash.value();
}

void write_certificate(const std::filesystem::path& path, const Certificate& certificate) {
  std::vector<std::int64_t> kind, node, unit;
  std::vector<double> at;
  for (const ProofStep& step : certificate.steps) {
    kind.push_back(static_cast<std::int64_t>(step.kind));
    node.push_back(step.node);
    unit.push_back(step.unit);
    at.push_back(step.at);
  }
  const auto vector = [](const std::vector<double>& values) {
    return Array::from(Vector(Eigen::Map<const Vector>(values.data(), static_cast<Index>(values.size()))));
  };
  ArrayMap arrays{{"format", Array::from(std::vector<std::int64_t>{kFormat})},
                  {"fingerprints", Array::from(std::vector<std::int64_t>{
                                       std::bit_cast<std::int64_t>(certificate.network),
                                       std::bit_cast<std::int64_t>(certificate.property), seal_of(certificate)})},
                  {"kind", Array::from(kind)},
                  {"node", Array::from(node)},
                  {"unit", Array::from(unit)},
                  {"at", vector(at)},
                  {"multipliers", vector(certificate.multipliers)}};
  if (certificate.witness) arrays.emplace("witness", Array::from(*certificate.witness));
  write_npz(path, arrays);
}

Certificate read_certificate(const std::filesystem::path& path) {
  return parse_certificate(read_file(path), path.string());
}

Certificate parse_certificate(std::string_view bytes, std::string_view name) {
  Reader reader(bytes, name);
  const std::vector<std::int64_t> format = reader.whole_numbers("format");
  UNRECT_REQUIRE(format == std::vector{kFormat}, ErrorCode::kFormat,
                 "{}: a certificate of another format; expected format {}", name, kFormat);
  const std::vector<std::int64_t> prints = reader.whole_numbers("fingerprints");
  UNRECT_REQUIRE(prints.size() == 3, ErrorCode::kFormat, "{}: {} fingerprints; expected 3", name, prints.size());
  Certificate out;
  out.network = std::bit_cast<std::uint64_t>(prints[0]);
  out.property = std::bit_cast<std::uint64_t>(prints[1]);
  const std::vector<std::int64_t> kind = reader.whole_numbers("kind"), node = reader.whole_numbers("node"),
                                  unit = reader.whole_numbers("unit");
  const std::vector<double> at = reader.numbers("at");
  UNRECT_REQUIRE(node.size() == kind.size() && unit.size() == kind.size() && at.size() == kind.size(),
                 ErrorCode::kFormat,
                 "{}: {} kinds, {} nodes, {} units and {} places of steps; expected as many of each", name, kind.size(),
                 node.size(), unit.size(), at.size());
  out.multipliers = reader.numbers("multipliers");
  if (reader.has("witness")) {
    const std::vector<double> x = reader.numbers("witness");
    out.witness = Eigen::Map<const Vector>(x.data(), static_cast<Index>(x.size()));
  }
  reader.finish();
  for (std::size_t i = 0; i < kind.size(); ++i) {
    UNRECT_REQUIRE(kind[i] >= 0 && kind[i] <= static_cast<int>(ProofStep::Kind::kBound) && node[i] >= 0 &&
                       node[i] <= 0x7fffffff && unit[i] >= 0,
                   ErrorCode::kFormat, "{}: step {} is of kind {} about node {}, unit {}; expected a kind of 0 … 4",
                   name, i, kind[i], node[i], unit[i]);
    out.steps.push_back(
        {static_cast<ProofStep::Kind>(kind[i]), static_cast<int>(node[i]), static_cast<Index>(unit[i]), at[i]});
  }
  UNRECT_REQUIRE(seal_of(out) == prints[2], ErrorCode::kFormat,
                 "{}: its content is not what was written; expected the seal {:x} over it", name,
                 static_cast<std::uint64_t>(prints[2]));
  return out;
}

}  // namespace unrect
