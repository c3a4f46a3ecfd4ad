#include "unrect/view/explorer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/view/internal/markup_for_tests.hpp"

namespace unrect {
namespace {

/// n × n quadrangles with shaken corners in [−1, 3] × [5, 6], within one polygon of a layer before; unit 1 + the
/// number of the line, rows first, makes their sides.
Explorer grid(int n, std::uint64_t seed = 1) {
  Rng rng(seed);
  Explorer explorer{.title = "grid", .x = {-1, 3}, .y = {5, 6}};
  const std::size_t lines = static_cast<std::size_t>(n) + 1;
  std::vector<double> xs, ys;
  for (int i = 0; i <= n; ++i) {
    for (int j = 0; j <= n; ++j) {
      const double dx = j % n == 0 ? 0 : rng.uniform(-0.2, 0.2), dy = i % n == 0 ? 0 : rng.uniform(-0.2, 0.2);
      xs.push_back(-1 + 4 * (j + dx) / n);
      ys.push_back(5 + (i + dy) / n);
    }
  }
  explorer.layers.push_back({.units = 1,
                             .vertices = {-1, 5, 3, 5, 3, 6, -1, 6},
                             .starts = {0, 4},
                             .edge_unit = {-1, -1, -1, -1},
                             .pieces = {1}});
  ExplorerLayer layer{.units = Index{2} * (n + 1), .starts = {0}};
  ExplorerColumn column{"noise", {}};
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      for (const auto& [di, dj] : {std::pair{0, 0}, {0, 1}, {1, 1}, {1, 0}}) {
        const std::size_t corner = static_cast<std::size_t>(i + di) * lines + static_cast<std::size_t>(j + dj);
        layer.vertices.insert(layer.vertices.end(), {xs[corner], ys[corner]});
      }
      const auto side = [&](bool border, int line) { return border ? -1 : 1 + line; };
      layer.edge_unit.insert(layer.edge_unit.end(), {side(i == 0, i), side(j + 1 == n, n + 2 + j),
                                                     side(i + 1 == n, i + 1), side(j == 0, n + 1 + j)});
      layer.starts.push_back(static_cast<std::uint32_t>(layer.edge_unit.size()));
      layer.parent.push_back(0);
      for (int u = 0; u < 2 * (n + 1); ++u) layer.pieces.push_back((u <= n ? i >= u : j >= u - n - 1) ? 1 : 0);
      column.values.push_back(static_cast<float>(rng.uniform(-1, 1)));
    }
  }
  explorer.layers.push_back(std::move(layer));
  explorer.columns.push_back(std::move(column));
  return explorer;
}

/// What stands behind `"name":` in the page's manifest, up to the next comma or bracket.
std::int64_t number(const std::string& page, std::string_view name, int occurrence = 0) {
  std::size_t at = page.find("type=\"application/json\">");
  for (int i = 0; i <= occurrence; ++i) at = page.find("\"" + std::string(name) + "\":", at + 1);
  return std::stoll(page.substr(at + name.size() + 3));
}

std::string unbase64(std::string_view text) {
  std::string out;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    if (c == '=') break;
    const std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    held = held << 6 | static_cast<unsigned>(letters.find(c));
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(held >> bits & 255);
  }
  return out;
}

/// The page's data, read back by other means than the page's own.
struct Reader {
  explicit Reader(const std::string& page) {
    std::string packed;
    constexpr std::string_view kMark = "<script class=\"data\" type=\"text/plain\">";
    for (std::size_t start = 0; (start = page.find(kMark, start)) != std::string::npos;) {
      start += kMark.size();
      packed += unbase64(std::string_view(page).substr(start, page.find('<', start) - start));
      ++pieces;
    }
    bytes = gunzip(packed, "page");
  }
  std::vector<std::uint32_t> numbers(std::int64_t count) {
    const auto n = static_cast<std::size_t>(count);
    std::vector<std::uint32_t> out(n);
    for (std::size_t i = 0; i < 4 * n; ++i) {
      out[i % n] |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * (i / n));
    }
    at += 4 * n;
    return out;
  }
  std::vector<std::uint32_t> sums(std::int64_t count) {
    std::vector<std::uint32_t> out = numbers(count);
    std::uint32_t sum = 0;
    for (std::uint32_t& value : out) value = sum += value % 2 == 0 ? value / 2 : ~(value / 2);
    return out;
  }

  std::string bytes;
  std::size_t at = 0;
  int pieces = 0;
};

struct ReadLayer {
  std::vector<std::uint32_t> sizes, corners, edges, parent, counts, changes;
};

struct ReadPage {
  std::vector<std::uint32_t> x, y;
  std::vector<ReadLayer> layers;  // the last one first
  std::vector<std::uint32_t> column, maps;
};

/// A page of grid()'s kind: one column at most.
ReadPage read(const std::string& page, std::size_t layers) {
  Reader reader(page);
  EXPECT_EQ(static_cast<std::int64_t>(reader.bytes.size()), number(page, "bytes"));
  ReadPage out;
  out.x = reader.sums(number(page, "points"));
  out.y = reader.sums(number(page, "points"));
  for (std::size_t l = layers; l-- > 0;) {
    const int place = static_cast<int>(l);
    const std::int64_t polygons = number(page, "polygons", place), corners = number(page, "corners", place);
    ReadLayer layer;
    layer.sizes = reader.numbers(polygons);
    layer.corners = reader.numbers(corners);
    layer.edges = reader.numbers(corners);
    if (l > 0) layer.parent = reader.sums(polygons);
    layer.counts = reader.numbers(polygons);
    layer.changes = reader.numbers(number(page, "changes", place));
    out.layers.push_back(std::move(layer));
  }
  const std::size_t polygons = out.layers[0].sizes.size();
  if (page.find("\"columns\":[]") == std::string::npos)
    out.column = reader.numbers(static_cast<std::int64_t>(polygons));
  out.maps = reader.numbers(static_cast<std::int64_t>(reader.bytes.size() - reader.at) / 4);
  return out;
}

TEST(Explorer, PageHoldsWhatItWasGiven) {
  Explorer explorer = grid(20);
  explorer.layers[1].pieces[7] = 200;  // more pieces than a rectifier's two
  explorer.outputs = {"a", "b"};
  Rng rng(2);
  for (int i = 0; i < 400 * 6; ++i) explorer.maps.push_back(static_cast<float>(rng.normal()));
  const ReadPage page = read(explorer_page(explorer), 2);
  EXPECT_EQ(page.x.size(), 21u * 21u);  // corners that polygons share stand there once
  std::uint32_t next = 0;
  for (std::size_t l = 2; l-- > 0;) {
    const ExplorerLayer& layer = explorer.layers[l];
    const ReadLayer& got = page.layers[1 - l];
    ASSERT_EQ(got.corners.size(), layer.edge_unit.size());
    for (std::size_t i = 0; i < got.corners.size(); ++i) {
      const std::uint32_t point = got.corners[i] == 0 ? next++ : next - got.corners[i];
      EXPECT_NEAR(-1 + 4 * (page.x[point] / 2147483647.0), layer.vertices[2 * i], 4 / 2147483647.0);
      EXPECT_NEAR(5 + page.y[point] / 2147483647.0, layer.vertices[2 * i + 1], 1 / 2147483647.0);
      EXPECT_EQ(static_cast<std::int32_t>(got.edges[i] / 2) - 1, layer.edge_unit[i]);
    }
    EXPECT_EQ(got.parent, layer.parent);
    const auto units = static_cast<std::size_t>(layer.units);
    std::vector<std::uint8_t> pieces(units);
    std::size_t change = 0;
    for (std::size_t p = 0; p < got.sizes.size(); ++p) {
      EXPECT_EQ(got.sizes[p], layer.starts[p + 1] - layer.starts[p]);
      if (p % 256 == 0) std::fill(pieces.begin(), pieces.end(), 0);
      for (std::uint32_t k = 0; k < got.counts[p]; ++k, ++change) {
        pieces[got.changes[change] >> 8] = static_cast<std::uint8_t>(got.changes[change] & 255);
      }
      ASSERT_TRUE(
          std::equal(pieces.begin(), pieces.end(), layer.pieces.begin() + static_cast<std::ptrdiff_t>(p * units)));
    }
    EXPECT_EQ(change, got.changes.size());
  }
  ASSERT_EQ(page.column.size(), 400u);
  ASSERT_EQ(page.maps.size(), 2400u);
  for (std::size_t i = 0; i < 400; ++i) EXPECT_EQ(std::bit_cast<float>(page.column[i]), explorer.columns[0].values[i]);
  for (std::size_t i = 0; i < 2400; ++i) EXPECT_EQ(std::bit_cast<float>(page.maps[i]), explorer.maps[i]);
}

std::size_t drawn(const ReadLayer& layer) {
  return static_cast<std::size_t>(std::ranges::count_if(layer.edges, [](std::uint32_t edge) { return edge % 2 == 1; }));
}

TEST(Explorer, AnEdgeOfTwoPolygonsIsDrawnOnce) {
  const int n = 12;
  const ReadPage page = read(explorer_page(grid(n)), 2);
  EXPECT_EQ(drawn(page.layers[0]), 2u * n * (n - 1));  // the border is the first layer's to draw
  EXPECT_EQ(drawn(page.layers[1]), 4u);
}

TEST(Explorer, AnEdgeThatTwoUnitsMadeIsDrawnForBoth) {
  Explorer explorer{.x = {0, 1}, .y = {0, 1}};
  explorer.layers.push_back({.units = 2,
                             .vertices = {0, 0, 0.2, 0, 0.2, 1, 0, 1, 0.2, 0, 1, 0, 1, 1, 0.2, 1},
                             .starts = {0, 4, 8},
                             .edge_unit = {-1, 0, -1, -1, -1, -1, -1, 0},
                             .pieces = {0, 0, 1, 1}});
  EXPECT_EQ(read(explorer_page(explorer), 1).layers[0].edges, (std::vector<std::uint32_t>{1, 3, 1, 1, 1, 1, 1, 2}));
  explorer.layers[0].edge_unit[7] = 1;
  EXPECT_EQ(read(explorer_page(explorer), 1).layers[0].edges, (std::vector<std::uint32_t>{1, 3, 1, 1, 1, 1, 1, 5}));
}

TEST(Explorer, CornersThatAgreeToRoundingAreOne) {
  Explorer explorer = grid(8);
  Rng rng(3);
  for (double& value : explorer.layers[1].vertices) value += 1e-15 * rng.uniform(-1, 1);
  EXPECT_EQ(read(explorer_page(explorer), 2).x.size(), 81u);
}

TEST(Explorer, LargeDataComeInPieces) {
  Explorer explorer = grid(4);
  Rng rng(4);
  explorer.outputs = std::vector<std::string>(40'000, "o");
  for (int i = 0; i < 16 * 40'000 * 3; ++i) explorer.maps.push_back(static_cast<float>(rng.normal()));
  const std::string page = explorer_page(explorer);
  EXPECT_GE(Reader(page).pieces, 2);
  const ReadPage got = read(page, 2);
  ASSERT_EQ(got.maps.size(), explorer.maps.size());
  EXPECT_EQ(std::bit_cast<float>(got.maps.back()), explorer.maps.back());
}

TEST(Explorer, TextIsSafeAndNothingIsFetched) {
  Explorer explorer = grid(2);
  const std::string evil = "</script><script>alert(\"1\")\\\n<!--\x01\xff";
  explorer.title = explorer.x_name = explorer.y_name = explorer.columns[0].name = evil;
  explorer.notes = explorer.columns[0].categories = {evil, "{{data}}{{script}}"};
  const std::string page = explorer_page(explorer);
  EXPECT_EQ(count(page, "alert("), count(page, "alert(&quot;1") + count(page, "alert(\\\"1\\\")\\\\"));
  EXPECT_EQ(count(page, "<script>alert"), 0);
  EXPECT_EQ(count(page, "<script"), 3);  // manifest, data, code
  EXPECT_EQ(page.find('\x01'), std::string::npos);
  for (const std::string_view way : {"http:", "https:", "src=", "@import", "url(", "import("}) {
    EXPECT_EQ(page.find(way), std::string::npos) << way;
  }
}

TEST(Explorer, EqualArgumentsGiveEqualPages) { EXPECT_EQ(explorer_page(grid(9)), explorer_page(grid(9))); }

TEST(Explorer, SaysWhatDoesNotFit) {
  const auto refused = [](auto change, std::string_view word) {
    Explorer explorer = grid(3);
    change(explorer);
    try {
      explorer_page(explorer);
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string_view(error.what()).find(word), std::string_view::npos) << error.what();
    }
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  refused([](Explorer& e) { e.layers.clear(); }, "layers");
  refused([](Explorer& e) { e.x = {1, 1}; }, "rectangle");
  refused([](Explorer& e) { e.y.max = kNan; }, "rectangle");
  refused([](Explorer& e) { e.layers[1].vertices.pop_back(); }, "coordinates");
  refused([](Explorer& e) { e.layers[1].vertices[5] = 7; }, "y = 7");
  refused([](Explorer& e) { e.layers[1].vertices[4] = kNan; }, "x = nan");
  refused([](Explorer& e) { e.layers[1].starts[1] = 2; }, "three corners");
  refused([](Explorer& e) { e.layers[1].starts.back() = 40; }, "last start");
  refused([](Explorer& e) { e.layers[1].starts = {}; }, "polygons");
  refused([](Explorer& e) { e.layers[1].edge_unit[3] = 9; }, "unit 9");
  refused([](Explorer& e) { e.layers[0].edge_unit[3] = 1; }, "unit 1");
  refused([](Explorer& e) { e.layers[1].parent[3] = 1; }, "parent 1");
  refused([](Explorer& e) { e.layers[1].parent.clear(); }, "parents");
  refused([](Explorer& e) { e.layers[0].parent = {0}; }, "parents");
  refused([](Explorer& e) { e.layers[1].pieces.pop_back(); }, "pieces");
  refused([](Explorer& e) { e.layers[1].units = -1; }, "units");
  refused([](Explorer& e) { e.columns[0].values.pop_back(); }, "column 'noise'");
  refused([](Explorer& e) { e.maps = {1, 2, 3}; }, "maps");
}

}  // namespace
}  // namespace unrect
