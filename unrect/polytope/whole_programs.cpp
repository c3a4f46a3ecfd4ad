#include "unrect/polytope/internal/whole_programs.hpp"

#include <cstddef>
#include <utility>

namespace unrect {
namespace {

// A dictionary (basic = T nonbasic + T_n) in integers over one denominator, the last pivot: every entry is a minor of
// the data, so that divisions are exact (Edmonds, Bareiss). A variable that is over its bound is replaced by what it
// lacks of it. The dual simplex method with Bland's rule, from s = 0.
class BoxedProgram {
 public:
  BoxedProgram(std::vector<std::vector<mpz_class>>& rows, const std::vector<mpz_class>& widths)
      : t_(rows), w_(widths), n_(widths.size()), m_(rows.size() - 1) {
    for (std::size_t j = 0; j < n_; ++j) columns_.push_back(j);
    for (std::size_t i = 0; i < m_; ++i) basic_.push_back(n_ + i);
  }

  bool minimum_is_negative() {
    while (sgn(t_[m_][n_]) < 0) {
      const std::size_t row = leaving();
      if (row == m_) return true;
      const std::size_t column = entering(row);
      if (column == n_) return false;  // no point at all
      pivot(row, column);
    }
    return false;
  }

 private:
  // The violated basic variable of lowest index, made negative; m if there is none.
  std::size_t leaving() {
    std::size_t row = m_;
    bool over = false;
    for (std::size_t i = 0; i < m_; ++i) {
      if (row < m_ && basic_[i] > basic_[row]) continue;
      const mpz_class& value = t_[i][n_];
      if (sgn(value) < 0) {
        row = i;
        over = false;
      } else if (basic_[i] < n_ && value > w_[basic_[i]] * denominator_) {
        row = i;
        over = true;
      }
    }
    if (over) {
      for (mpz_class& x : t_[row]) mpz_neg(x.get_mpz_t(), x.get_mpz_t());
      t_[row][n_] += w_[basic_[row]] * denominator_;
    }
    return row;
  }

  std::size_t entering(std::size_t row) const {
    std::size_t best = n_;
    mpz_class left;
    mpz_class right;
    for (std::size_t j = 0; j < n_; ++j) {
      if (sgn(t_[row][j]) <= 0) continue;
      if (best < n_) {
        left = t_[m_][j] * t_[row][best];
        right = t_[m_][best] * t_[row][j];
        if (left > right || (left == right && columns_[j] > columns_[best])) continue;
      }
      best = j;
    }
    return best;
  }

  void pivot(std::size_t row, std::size_t column) {
    std::vector<mpz_class>& p = t_[row];
    const mpz_class pivot = p[column];
    for (std::size_t i = 0; i <= m_; ++i) {
      if (i == row) continue;
      std::vector<mpz_class>& r = t_[i];
      const bool there = sgn(r[column]) != 0;
      for (std::size_t j = 0; j <= n_; ++j) {
        if (j == column || (sgn(r[j]) == 0 && !(there && sgn(p[j]) != 0))) continue;
        r[j] *= pivot;
        if (there) mpz_submul(r[j].get_mpz_t(), r[column].get_mpz_t(), p[j].get_mpz_t());
        mpz_divexact(r[j].get_mpz_t(), r[j].get_mpz_t(), denominator_.get_mpz_t());
      }
    }
    for (std::size_t j = 0; j <= n_; ++j) mpz_neg(p[j].get_mpz_t(), p[j].get_mpz_t());
    p[column] = denominator_;
    denominator_ = pivot;
    std::swap(basic_[row], columns_[column]);
  }

  std::vector<std::vector<mpz_class>>& t_;
  const std::vector<mpz_class>& w_;
  std::size_t n_, m_;
  mpz_class denominator_ = 1;
  std::vector<std::size_t> basic_, columns_;
};

// By the dual: min Σ λ_i b_i over Σ λ_i a_i = 0, Σ λ_i = 1, λ ≥ 0, with Bland's rule. The table's numbers are integers
// over one denominator, as in BoxedProgram.
class DeepestPoint {
 public:
  explicit DeepestPoint(const std::vector<std::vector<mpz_class>>& rows)
      : rows_(rows), k_(rows.front().size() - 1), m_(rows.size()), t_(k_ + 2, std::vector<mpz_class>(m_ + 1)) {
    for (std::size_t i = 0; i < m_; ++i) {
      for (std::size_t d = 0; d < k_; ++d) t_[d][i] = rows[i][d];
      t_[k_][i] = 1;
      t_[k_ + 1][i] = rows[i][k_];
    }
    t_[k_][m_] = 1;
    for (std::size_t d = 0; d < k_; ++d) pivot(d, 2 * d);
    pivot(k_, 1);
  }

  // Nothing if no point has all rows positive.
  std::optional<std::vector<mpq_class>> find() {
    for (;;) {
      if (sgn(t_[k_ + 1][m_]) >= 0) return {};
      const std::vector<mpz_class>& costs = t_[k_ + 1];
      std::size_t column = 0;
      while (column < m_ && sgn(costs[column]) >= 0) ++column;
      if (column == m_) break;
      pivot(leaving(column), column);
    }
    std::vector<mpq_class> point;
    for (std::size_t d = 0; d < k_; ++d) {  // the reduced cost of row i is a_i·t + b_i − (the least row)
      mpq_class t(t_[k_ + 1][2 * d] - t_[k_ + 1][m_] - rows_[2 * d][k_] * denominator_, denominator_ * rows_[2 * d][d]);
      t.canonicalize();
      point.push_back(std::move(t));
    }
    return point;
  }

 private:
  std::size_t leaving(std::size_t column) const {
    std::size_t best = k_ + 1;
    for (std::size_t r = 0; r <= k_; ++r) {
      if (sgn(t_[r][column]) <= 0) continue;
      if (best <= k_) {
        const int order = cmp(t_[r][m_] * t_[best][column], t_[best][m_] * t_[r][column]);
        if (order > 0 || (order == 0 && basis_[r] > basis_[best])) continue;
      }
      best = r;
    }
    return best;
  }

  void pivot(std::size_t row, std::size_t column) {
    const std::vector<mpz_class>& p = t_[row];
    for (std::size_t i = 0; i < t_.size(); ++i) {
      if (i == row) continue;
      const mpz_class factor = t_[i][column];
      for (std::size_t j = 0; j <= m_; ++j) {
        mpz_class& x = t_[i][j];
        x *= p[column];
        mpz_submul(x.get_mpz_t(), factor.get_mpz_t(), p[j].get_mpz_t());
        mpz_divexact(x.get_mpz_t(), x.get_mpz_t(), denominator_.get_mpz_t());
      }
    }
    denominator_ = p[column];
    if (row == basis_.size()) basis_.push_back(column);
    basis_[row] = column;
  }

  const std::vector<std::vector<mpz_class>>& rows_;
  std::size_t k_, m_;
  std::vector<std::vector<mpz_class>> t_;
  mpz_class denominator_ = 1;
  std::vector<std::size_t> basis_;
};

}  // namespace

bool minimum_is_negative(std::vector<std::vector<mpz_class>>& rows, const std::vector<mpz_class>& widths) {
  return BoxedProgram(rows, widths).minimum_is_negative();
}

std::optional<std::vector<mpq_class>> deepest_point_of(const std::vector<std::vector<mpz_class>>& rows) {
  return DeepestPoint(rows).find();
}

}  // namespace unrect
