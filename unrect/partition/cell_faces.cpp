#include "unrect/partition/internal/cell_faces.hpp"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {
namespace {

// Sets of vertices by walls: wall w of the result's first, vertices of its second; walls with equal sets are together.
std::vector<CellFace> candidates(const std::vector<std::vector<int>>& walls_of_vertices, const std::vector<int>& among,
                                 Index least) {
  int walls = 0;
  for (const int v : among) {
    for (const int w : walls_of_vertices[static_cast<std::size_t>(v)]) walls = std::max(walls, w + 1);
  }
  std::vector<std::vector<int>> on(static_cast<std::size_t>(walls));
  for (const int v : among) {
    for (const int w : walls_of_vertices[static_cast<std::size_t>(v)]) {
      std::vector<int>& set = on[static_cast<std::size_t>(w)];
      if (set.empty()) set.reserve(among.size());
      set.push_back(v);
    }
  }
  std::vector<CellFace> faces;
  for (int w = 0; w < walls; ++w) {
    std::vector<int>& set = on[static_cast<std::size_t>(w)];
    if (static_cast<Index>(set.size()) < least || set.size() == among.size()) continue;
    const auto same = std::ranges::find(faces, set, &CellFace::vertices);
    if (same != faces.end()) {
      same->walls.push_back(w);
    } else {
      faces.push_back({std::move(set), {w}});
    }
  }
  return faces;
}

// The maximal ones: facets of the face that `among` spans.
std::vector<CellFace> maximal(std::vector<CellFace> faces) {
  std::vector<unsigned char> contained(faces.size());
  for (std::size_t i = 0; i < faces.size(); ++i) {
    contained[i] = std::ranges::any_of(faces, [&](const CellFace& other) {
      return other.vertices.size() > faces[i].vertices.size() &&
             std::ranges::includes(other.vertices, faces[i].vertices);
    });
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < faces.size(); ++i) {
    if (contained[i]) continue;
    if (kept != i) faces[kept] = std::move(faces[i]);
    ++kept;
  }
  faces.resize(kept);
  return faces;
}

// Σ over the simplices of the face `among` joined with the chosen apexes.
double pull(const Matrix& vertices, const std::vector<std::vector<int>>& walls_of_vertices,
            const std::vector<int>& among, std::vector<int>& apexes) {
  const Index k = vertices.cols();
  const Index dimension = k - static_cast<Index>(apexes.size());  // of this face
  if (static_cast<Index>(among.size()) == dimension + 1) {
    using Edges =
        Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, kMostVertexDimensions, kMostVertexDimensions>;
    Edges edges(k, k);
    Index row = 0;
    for (std::size_t i = 1; i < apexes.size(); ++i)
      edges.row(row++) = vertices.row(apexes[i]) - vertices.row(apexes[0]);
    for (std::size_t i = apexes.empty() ? 1 : 0; i < among.size(); ++i) {
      edges.row(row++) = vertices.row(among[i]) - vertices.row(apexes.empty() ? among[0] : apexes[0]);
    }
    return std::abs(edges.determinant());
  }
  const int apex = among.front();
  apexes.push_back(apex);
  double sum = 0;
  for (const CellFace& facet : maximal(candidates(walls_of_vertices, among, dimension))) {
    if (facet.vertices.front() != apex) sum += pull(vertices, walls_of_vertices, facet.vertices, apexes);
  }
  apexes.pop_back();
  return sum;
}

}  // namespace

std::vector<CellFace> facets_of(const std::vector<std::vector<int>>& walls_of_vertices, Index dimension) {
  std::vector<int> all(walls_of_vertices.size());
  for (std::size_t v = 0; v < all.size(); ++v) all[v] = static_cast<int>(v);
  return maximal(candidates(walls_of_vertices, all, dimension));
}

double volume_of(const Matrix& vertices, const std::vector<std::vector<int>>& walls_of_vertices) {
  UNRECT_REQUIRE(vertices.cols() <= kMostVertexDimensions, ErrorCode::kInvalidArgument,
                 "volume of a cell by its vertices in {} dimensions; expected at most {}", vertices.cols(),
                 kMostVertexDimensions);
  std::vector<int> all(walls_of_vertices.size());
  for (std::size_t v = 0; v < all.size(); ++v) all[v] = static_cast<int>(v);
  std::vector<int> apexes;
  double factorial = 1;
  for (Index d = 2; d <= vertices.cols(); ++d) factorial *= static_cast<double>(d);
  return pull(vertices, walls_of_vertices, all, apexes) / factorial;
}

}  // namespace unrect
