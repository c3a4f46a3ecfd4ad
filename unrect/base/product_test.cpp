#include "unrect/base/internal/product.hpp"

#include <gtest/gtest.h>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

TEST(Product, HasAll128Bits) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  for (const auto multiply : {product, product_of_halves}) {
    EXPECT_EQ(multiply(kAll, kAll).high, kAll - 1);
    EXPECT_EQ(multiply(kAll, kAll).low, 1U);
    EXPECT_EQ(multiply(std::uint64_t{1} << 63, 6).high, 3U);
    EXPECT_EQ(multiply(std::uint64_t{1} << 63, 6).low, 0U);
    EXPECT_EQ(multiply(0, kAll).high, 0U);
  }
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t a = rng.next(), b = rng.next();
    EXPECT_EQ(product_of_halves(a, b).high, product(a, b).high);
    EXPECT_EQ(product_of_halves(a, b).low, a * b);
  }
}

}  // namespace
}  // namespace unrect
