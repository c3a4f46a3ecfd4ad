// A certificate's file is read or refused; and no steps, whatever they are, prove what is false.
#include <cstdlib>
#include <cstring>

#include "refusal.hpp"
#include "unrect/verify/check.hpp"

namespace {

using namespace unrect;

// y = |x₀| + |x₁| as four rectifiers, over [−1, 1]²: y ≥ 1 is attained.
const Network& diamond() {
  static const Network network = Network::chain(
      {(Matrix(4, 2) << 1, 0, -1, 0, 0, 1, 0, -1).finished(), Matrix::Ones(1, 4)}, {Vector::Zero(4), Vector::Zero(1)});
  return network;
}

const Property& attained() {
  static const Property property{2,
                                 1,
                                 {{Box(Vector::Constant(2, -1), Vector::Ones(2)),
                                   Halfspaces(Matrix(0, 2), Vector(0)),
                                   {Halfspaces(Matrix::Constant(1, 1, -1), Vector::Constant(1, -1))}}}};
  return property;
}

// The bytes as numbers: steps of kind, node, unit and place; what is left are multipliers.
void judge(const unsigned char* data, std::size_t size) {
  if (size == 0) return;
  Certificate certificate{fingerprint(diamond()), fingerprint(attained()), {}, {}, {}};
  std::size_t at = 1;
  const auto number = [&] {
    double value = 0;
    std::memcpy(&value, data + at, sizeof value);
    at += sizeof value;
    return value;
  };
  for (int steps = data[0]; steps > 0 && at + 11 <= size; --steps, at += 3) {
    const double place = number();
    certificate.steps.push_back(
        {static_cast<ProofStep::Kind>(data[at] % 5), data[at + 1] % 4, data[at + 2] % 5, place});
  }
  while (at + sizeof(double) <= size) certificate.multipliers.push_back(number());
  if (check_certificate(diamond(), attained(), certificate).valid) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  judge(data, size);
  return expect_value_or_refusal(data, size, [](std::string_view bytes) { (void)parse_certificate(bytes, "fuzz"); });
}
