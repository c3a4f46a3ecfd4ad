#include "unrect/view/explorer.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "unrect/base/error.hpp"
#include "unrect/view/internal/text.hpp"

namespace unrect {
namespace {

#include "unrect/view/explorer_page.inc"  // kPage, kStyle, kScript: what stands in web/explorer/

// web/explorer/data.js reads what is written here.
constexpr double kSteps = 2147483647;  // of the grid: differences of two places fit 32 bits with sign
constexpr double kSlack = 1e-6;        // of a side: how far outside the rectangle rounding may put a corner

void require(bool condition, std::string_view what, std::size_t value, std::size_t expected) {
  UNRECT_REQUIRE(condition, ErrorCode::kInvalidArgument, "explorer: {}: {}, expected {}", what, value, expected);
}

/// Bytes in, gzip in base64 out, in script elements of some megabytes: browsers limit how long one text may be.
class Packer {
 public:
  Packer() {
    if (deflateInit2(&stream_, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    next_piece();
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  ~Packer() { deflateEnd(&stream_); }

  void put(std::string_view bytes) {
    size_ += bytes.size();
    constexpr std::size_t kMost = std::size_t{1} << 30;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kMost))) run(bytes.substr(0, kMost), Z_NO_FLUSH);
  }

  /// Four planes of bytes, the lowest first: the high bytes of small numbers are zeros in a row, which pack to nothing.
  template <class Numbers, class Convert>
  void put(const Numbers& numbers, Convert convert) {
    const std::size_t n = numbers.size();
    std::string planes(4 * n, '\0');
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t value = convert(numbers[i]);
      for (std::size_t k = 0; k < 4; ++k) planes[k * n + i] = static_cast<char>(value >> (8 * k) & 255);
    }
    put(planes);
  }

  std::size_t size() const { return size_; }

  std::string finish() {
    run({}, Z_FINISH);
    end_piece();
    return std::move(out_);
  }

 private:
  void run(std::string_view bytes, int flush) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    int state = Z_OK;
    while (stream_.avail_in > 0 || (flush == Z_FINISH && state != Z_STREAM_END)) {
      state = deflate(&stream_, flush);
      if (stream_.avail_out == 0) {
        end_piece();
        next_piece();
      }
    }
  }
  void next_piece() {
    stream_.next_out = reinterpret_cast<Bytef*>(piece_.data());
    stream_.avail_out = static_cast<uInt>(piece_.size());
  }
  void end_piece() {
    const std::string_view filled(piece_.data(), piece_.size() - stream_.avail_out);
    if (!filled.empty()) out_ += "<script class=\"data\" type=\"text/plain\">" + base64(filled) + "</script>\n";
  }

  z_stream stream_{};
  std::string piece_ = std::string(3 << 20, '\0');
  std::string out_;
  std::size_t size_ = 0;
};

constexpr auto kPlain = [](std::uint32_t value) { return value; };
constexpr auto kBits = [](float value) { return std::bit_cast<std::uint32_t>(value); };

/// Differences from one number to the next, small ones of either sign near 0.
class Difference {
 public:
  std::uint32_t operator()(std::uint32_t value) {
    const auto step = static_cast<std::int32_t>(value - last_);
    last_ = value;
    return static_cast<std::uint32_t>(step) << 1 ^ static_cast<std::uint32_t>(step >> 31);
  }

 private:
  std::uint32_t last_ = 0;
};

std::uint64_t pair_of(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }

/// The corners of all layers on the grid, each place once, numbered as they are met.
class Points {
 public:
  Points(Range x, Range y) : x_(x), y_(y) {}

  std::uint32_t number(double x, double y) {
    const std::uint32_t i = place(x, x_, "x"), j = place(y, y_, "y");
    const auto [at, fresh] = numbers_.try_emplace(pair_of(i, j), static_cast<std::uint32_t>(xs_.size()));
    if (fresh) {
      xs_.push_back(i);
      ys_.push_back(j);
    }
    return at->second;
  }
  std::size_t size() const { return xs_.size(); }
  const std::vector<std::uint32_t>& xs() const { return xs_; }
  const std::vector<std::uint32_t>& ys() const { return ys_; }

 private:
  static std::uint32_t place(double value, Range range, std::string_view axis) {
    const double t = (value - range.min) / (range.max - range.min);
    UNRECT_REQUIRE(t >= -kSlack && t <= 1 + kSlack, ErrorCode::kInvalidArgument,
                   "explorer: a corner has {} = {}, expected one within {} … {}", axis, value, range.min, range.max);
    return static_cast<std::uint32_t>(std::lround(std::clamp(t, 0.0, 1.0) * kSteps));
  }

  Range x_, y_;
  std::vector<std::uint32_t> xs_, ys_;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;
};

/// Tells which edges to draw: of the two that polygons on either side have, the first one met.
class DrawnOnce {
 public:
  bool operator()(std::uint32_t from, std::uint32_t to, std::int32_t unit) {
    const auto twin = open_.find(pair_of(to, from));
    if (twin != open_.end() && twin->second == unit) {
      open_.erase(twin);
      return false;
    }
    open_.insert_or_assign(pair_of(from, to), unit);
    return true;
  }

 private:
  std::unordered_map<std::uint64_t, std::int32_t> open_;  // edges met from one side only, and their units
};

struct PackedLayer {
  std::vector<std::uint32_t> sizes, corners, edges;
};

std::size_t polygons(const ExplorerLayer& layer) { return layer.starts.empty() ? 0 : layer.starts.size() - 1; }

/// before, upto: units of the layers before this one, and with it.
PackedLayer pack(const ExplorerLayer& layer, std::int64_t before, std::int64_t upto, Points& points) {
  PackedLayer packed;
  packed.corners.reserve(layer.edge_unit.size());
  packed.edges.reserve(layer.edge_unit.size());
  DrawnOnce drawn_once;
  std::vector<std::uint32_t> numbers;
  for (std::size_t p = 0; p < polygons(layer); ++p) {
    const std::size_t start = layer.starts[p], end = layer.starts[p + 1];
    numbers.clear();
    for (std::size_t i = start; i < end; ++i) {
      const auto next = static_cast<std::uint32_t>(points.size());
      numbers.push_back(points.number(layer.vertices[2 * i], layer.vertices[2 * i + 1]));
      packed.corners.push_back(next - numbers.back());  // 0: a new point; most others were met shortly before
    }
    packed.sizes.push_back(static_cast<std::uint32_t>(end - start));
    for (std::size_t i = start; i < end; ++i) {
      const std::int32_t unit = layer.edge_unit[i];
      UNRECT_REQUIRE(unit >= -1 && unit < upto, ErrorCode::kInvalidArgument,
                     "explorer: polygon {} has an edge of unit {}, expected one from −1 to {}", p, unit, upto - 1);
      const bool made_here = unit >= before || (unit < 0 && before == 0);
      const bool drawn = made_here && drawn_once(numbers[i - start], numbers[(i + 1 - start) % numbers.size()], unit);
      packed.edges.push_back(static_cast<std::uint32_t>(unit + 1) * 2 + (drawn ? 1 : 0));
    }
  }
  return packed;
}

/// What changes from a polygon's pieces to the next one's, which is little where they are neighbours: how many units
/// change, and unit · 256 + piece of each. Every 256th polygon starts from zeros, so that any can be read soon.
struct PieceChanges {
  std::vector<std::uint32_t> counts, changes;
};

PieceChanges changes_of(const ExplorerLayer& layer) {
  const auto units = static_cast<std::size_t>(layer.units);
  const std::vector<std::uint8_t> zeros(units);
  PieceChanges out;
  for (std::size_t p = 0; p < polygons(layer); ++p) {
    const std::uint8_t* now = layer.pieces.data() + p * units;
    const std::uint8_t* before = p % 256 == 0 ? zeros.data() : now - units;
    const std::size_t old_size = out.changes.size();
    for (std::size_t start = 0; start < units; start += 64) {  // most stretches of units are equal
      const std::size_t end = std::min(start + 64, units);
      if (std::memcmp(now + start, before + start, end - start) == 0) continue;
      for (std::size_t i = start; i < end; ++i) {
        if (now[i] != before[i]) out.changes.push_back(static_cast<std::uint32_t>(i << 8 | now[i]));
      }
    }
    out.counts.push_back(static_cast<std::uint32_t>(out.changes.size() - old_size));
  }
  return out;
}

void check(const Explorer& explorer) {
  for (const Range range : {explorer.x, explorer.y}) {
    UNRECT_REQUIRE(std::isfinite(range.max - range.min) && range.max > range.min, ErrorCode::kInvalidArgument,
                   "explorer: the rectangle has a side {} … {}, expected a finite one of some length", range.min,
                   range.max);
  }
  require(!explorer.layers.empty(), "layers", 0, 1);
  std::size_t before = 0;
  for (const ExplorerLayer& layer : explorer.layers) {
    const bool first = &layer == &explorer.layers.front();
    const std::size_t n = polygons(layer), corners = layer.edge_unit.size();
    require(n > 0, "polygons in a layer", n, 1);
    UNRECT_REQUIRE(layer.units >= 0 && layer.units < 1 << 24, ErrorCode::kInvalidArgument,
                   "explorer: units of a layer: {}, expected 0 to 16,777,215", layer.units);
    require(layer.starts.front() == 0, "first start", layer.starts.front(), 0);
    for (std::size_t p = 0; p < n; ++p) {
      const bool polygon = layer.starts[p + 1] >= layer.starts[p] && layer.starts[p + 1] - layer.starts[p] >= 3;
      UNRECT_REQUIRE(polygon, ErrorCode::kInvalidArgument,
                     "explorer: polygon {} starts at {}, the next one at {}, expected three corners", p,
                     layer.starts[p], layer.starts[p + 1]);
    }
    require(layer.starts.back() == corners, "last start", layer.starts.back(), corners);
    require(layer.vertices.size() == 2 * corners, "coordinates of a layer's corners", layer.vertices.size(),
            2 * corners);
    require(layer.parent.size() == (first ? 0 : n), "parents in a layer", layer.parent.size(), first ? 0 : n);
    for (const std::uint32_t parent : layer.parent) {
      UNRECT_REQUIRE(parent < before, ErrorCode::kInvalidArgument, "explorer: parent {}, expected one below {}", parent,
                     before);
    }
    const std::size_t expected = n * static_cast<std::size_t>(layer.units);
    require(layer.pieces.size() == expected, "pieces in a layer", layer.pieces.size(), expected);
    before = n;
  }
  for (const ExplorerColumn& column : explorer.columns) {
    require(column.values.size() == before, "values of column '" + column.name + "'", column.values.size(), before);
  }
  const std::size_t numbers = explorer.maps.empty() ? 0 : before * explorer.outputs.size() * 3;
  require(explorer.maps.size() == numbers, "numbers in the maps", explorer.maps.size(), numbers);
}

/// A JSON string that may stand within a script element.
std::string json(std::string_view text) {
  std::string out = "\"";
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '<' ? std::string("\\u003c") : std::string(1, c);
  }
  return out + '"';
}

template <class Items, class Write>
std::string json_list(const Items& items, Write write) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += write(item);
  }
  return out + ']';
}

std::string json_texts(const std::vector<std::string>& texts) {
  return json_list(texts, [](const std::string& text) { return json(text); });
}

std::string hex_digits(const Color& color) {
  const auto byte = [](double c) { return static_cast<int>(std::lround(c * 255)); };
  return fmt::format("{:02x}{:02x}{:02x}", byte(color.r), byte(color.g), byte(color.b));
}

std::string json_map(ColorMap map) {
  std::string digits;
  for (int i = 0; i < 256; ++i) digits += hex_digits(map(i / 255.0));
  return json(digits);
}

std::string replaced(std::string_view page,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  std::string out;
  for (const auto& [mark, text] : parts) {  // in the order in which the page has them
    const std::size_t at = page.find(mark);
    out.append(page.substr(0, at)).append(text);
    page.remove_prefix(at + mark.size());
  }
  return out.append(page);
}

}  // namespace

std::string explorer_page(const Explorer& explorer) {
  check(explorer);
  Points points(explorer.x, explorer.y);
  std::int64_t units = 0;
  for (const ExplorerLayer& layer : explorer.layers) units += layer.units;
  require(units < std::numeric_limits<std::int32_t>::max(), "units", static_cast<std::size_t>(units), 1U << 31);
  std::vector<PackedLayer> packed;  // last first: its corners then follow their neighbours'
  for (auto layer = explorer.layers.rbegin(); layer != explorer.layers.rend(); units -= layer++->units) {
    packed.push_back(pack(*layer, units - layer->units, units, points));
  }
  Packer packer;
  packer.put(points.xs(), Difference());
  packer.put(points.ys(), Difference());
  std::string shapes;
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const ExplorerLayer& layer = explorer.layers[packed.size() - 1 - i];
    packer.put(packed[i].sizes, kPlain);
    packer.put(packed[i].corners, kPlain);
    packer.put(packed[i].edges, kPlain);
    packer.put(layer.parent, Difference());
    const PieceChanges pieces = changes_of(layer);
    packer.put(pieces.counts, kPlain);
    packer.put(pieces.changes, kPlain);
    shapes = fmt::format(R"({{"units":{},"polygons":{},"corners":{},"changes":{}}}{}{})", layer.units, polygons(layer),
                         layer.edge_unit.size(), pieces.changes.size(), shapes.empty() ? "" : ",", shapes);
  }
  for (const ExplorerColumn& column : explorer.columns) packer.put(column.values, kBits);
  packer.put(explorer.maps, kBits);
  std::array<Index, 8> eight{};
  for (std::size_t i = 0; i < eight.size(); ++i) eight[i] = static_cast<Index>(i);
  const std::size_t bytes = packer.size();
  const std::string manifest = fmt::format(
      R"({{"bytes":{},"points":{},"x":[{},{}],"y":[{},{}],"names":[{},{}],"equal":{},"layers":[{}],"columns":{},)"
      R"("outputs":{},"sequential":{},"diverging":{},"categorical":{}}})",
      bytes, points.size(), explorer.x.min, explorer.x.max, explorer.y.min, explorer.y.max, json(explorer.x_name),
      json(explorer.y_name), explorer.equal, shapes,
      json_list(explorer.columns,
                [](const ExplorerColumn& column) {
                  return fmt::format(R"({{"name":{},"categories":{}}})", json(column.name),
                                     json_texts(column.categories));
                }),
      json_texts(explorer.maps.empty() ? std::vector<std::string>() : explorer.outputs), json_map(sequential),
      json_map(diverging), json_list(eight, [](Index i) { return json(hex_digits(categorical(i))); }));
  std::string notes;
  for (const std::string& note : explorer.notes) notes += "<p>" + escape_html(note) + "</p>\n";
  const std::string title = escape_html(explorer.title);
  return replaced(kPage, {{"{{title}}", title},
                          {"{{style}}", kStyle},
                          {"{{title}}", title},
                          {"{{notes}}", notes},
                          {"{{manifest}}", manifest},
                          {"{{data}}", packer.finish()},
                          {"{{script}}", kScript}});
}

}  // namespace unrect
