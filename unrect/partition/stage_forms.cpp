#include "unrect/partition/internal/stage_forms.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace unrect {

StageForms::StageForms(const Refinement::Prepared& prepared)
    : p_(prepared),
      states_(static_cast<std::size_t>(prepared.stages.size())),
      pieces_(static_cast<std::size_t>(prepared.stages.units()), 0) {
  const Index k = p_.domain.dimension();
  for (int s = 0; s < p_.stages.size(); ++s) {
    const Stage& stage = p_.stage(s);
    State& st = state(s);
    st.z = Forms(k, stage.size);
    st.begun = st.z;
    st.products.resize(stage.links.size());
    st.rectifier = stage.layer < 0 || (stage.piecewise() != nullptr && stage.piecewise()->is_relu());
    if (!st.rectifier) st.activated = Forms(k, stage.units());
  }
  Forms& input = state(0).z;
  for (Index i = 0; i < input.size(); ++i) {
    for (Index d = 0; d < k; ++d) input.row(d)[i] = p_.domain.axes(i, d);
    input.row(k)[i] = p_.domain.origin[i];
  }
  activate_all(0);
  begin_sum(1);
  state(1).z = state(1).begun;
}

double StageForms::gradient_of(int s, Index i) const {
  const Forms& z = of(s);
  double sum = 0;
  for (Index d = 0; d < z.dimension(); ++d) sum += std::abs(z.row(d)[i]);
  return sum;
}

void StageForms::begin(int s) {
  State& st = state(s);
  st.active.clear();
  st.straddling.clear();
  st.above = 0;
  if (st.rectifier) std::fill_n(&piece(s, 0), p_.stage(s).size, std::uint16_t{0});
}

void StageForms::decide(int s, Index unit, std::uint16_t p) {
  piece(s, unit) = p;
  activate(s, unit);
  state(s).above += p > 0 ? 1 : 0;
}

void StageForms::decide_active(int s, Index word, std::uint64_t bits) {
  State& st = state(s);
  std::uint16_t* const pieces = &piece(s, 0);
  const std::size_t known = st.active.size();
  st.active.resize(known + static_cast<std::size_t>(std::popcount(bits)));
  st.above += st.active.size() - known;
  Index* next = st.active.data() + known;
  for (; bits != 0; bits &= bits - 1) {
    const Index i = 64 * word + std::countr_zero(bits);
    pieces[i] = 1;
    *next++ = i;
  }
}

void StageForms::gather(int s) {
  state(s).decided = state(s).active.size();
  if (s < p_.last_stage()) begin_sum(s + 1);
}

void StageForms::settle(int s) {
  activate_straddling(s);
  complete_sum(s + 1);
  state(s + 1).above_before = count_active(s);
}

void StageForms::pass(int s) {
  activate_all(s);
  begin_sum(s + 1);
  complete_sum(s + 1);
  state(s + 1).above_before = state(s).above_before;
}

std::uint64_t StageForms::count_active(int s) const {
  const State& st = state(s);
  std::uint64_t active = st.above_before + st.above;
  for (const Index unit : st.straddling) active += piece(s, unit) > 0 ? 1 : 0;
  return active;
}

ParameterMap StageForms::output() {
  const int last = p_.stages.last_layer_stage();
  if (last > 0) activate_straddling(last);
  for (int s = last + 1; s < p_.stages.size(); ++s) {
    begin_sum(s);
    state(s).z = state(s).begun;
    activate_all(s);
  }
  const Forms& y = states_.back().z;
  const Index k = p_.domain.dimension();
  ParameterMap map{Matrix(y.size(), k), Vector(y.size())};
  for (Index i = 0; i < y.size(); ++i) {
    for (Index d = 0; d < k; ++d) map.matrix(i, d) = y.row(d)[i];
    map.constant[i] = y.row(k)[i];
  }
  return map;
}

// Unit's column of a, on the piece that it is on, is active unless it is zero.
void StageForms::activate(int s, Index unit) {
  const Stage& stage = p_.stage(s);
  State& st = state(s);
  const std::uint16_t p = piece(s, unit);
  if (st.rectifier) {
    if (p > 0) st.active.push_back(unit);
    return;
  }
  const Index k = st.z.dimension();
  if (const Maximum* m = stage.maximum()) {
    const Index from = m->index[static_cast<std::size_t>(unit * m->width + p)];
    for (Index d = 0; d <= k; ++d) st.activated.row(d)[unit] = st.z.row(d)[from];
    st.active.push_back(unit);
    return;
  }
  const Piecewise& f = *stage.piecewise();
  const double slope = f.slopes(f.row_of(unit), p);
  const double offset = f.offsets(f.row_of(unit), p);
  if (slope == 0 && offset == 0) return;
  for (Index d = 0; d <= k; ++d) st.activated.row(d)[unit] = slope * st.z.row(d)[unit];
  st.activated.row(k)[unit] += offset;
  st.active.push_back(unit);
}

// Columns of an affine stage are all active.
void StageForms::activate_all(int s) {
  State& st = state(s);
  st.active.resize(static_cast<std::size_t>(st.z.size()));
  for (std::size_t i = 0; i < st.active.size(); ++i) st.active[i] = static_cast<Index>(i);
  st.decided = st.active.size();
}

// Columns of the straddling units take the place of those that another cell left there.
void StageForms::activate_straddling(int s) {
  State& st = state(s);
  st.active.resize(st.decided);
  for (const Index unit : st.straddling) activate(s, unit);
}

// Stage t's sum begins with its biases and all columns that are active so far in the stages it reads.
void StageForms::begin_sum(int t) {
  State& st = state(t);
  const Forms* from = &p_.biases[static_cast<std::size_t>(t)];
  const std::vector<Link>& links = p_.stage(t).links;
  for (std::size_t l = 0; l < links.size(); ++l) {
    const int s = links[l].source;
    add_columns(links[l], state(s).active, outputs(s), *from, st.begun, st.products[l]);
    from = &st.begun;
  }
  if (from != &st.begun) st.begun = *from;
}

// Stage t's sum ends with the columns that straddling units of stage t − 1 have on this cell. (A stage before that one
// was settled before the sum was begun.)
void StageForms::complete_sum(int t) {
  State& st = state(t);
  const State& before = state(t - 1);
  const std::span<const Index> late(before.active.data() + before.decided, before.active.size() - before.decided);
  const Forms* from = &st.begun;
  const std::vector<Link>& links = p_.stage(t).links;
  for (std::size_t l = 0; l < links.size(); ++l) {
    if (links[l].source != t - 1 || late.empty()) continue;
    add_columns(links[l], late, outputs(t - 1), *from, st.z, st.products[l]);
    from = &st.z;
  }
  if (from != &st.z) st.z = *from;
}

}  // namespace unrect
