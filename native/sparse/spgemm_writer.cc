#include "sparse/spgemm_writer.h"

#include <algorithm>

namespace lapidary {

template <class T>
bool Writer<T>::init(ArenaFrame& scratch, const WindowPart& part, const SpgemmOptions& options, size_t repeated) {
  nothing_ = nothing_of<T>(options.semiring.add);
  may_sort_ = may_sort(kernels_, options);
  width_ = 64 * part.words;
  if (part.words > 0) {
    before_ = scratch.take<uint32_t>(part.words);
    columns_ = scratch.take<uint32_t>(kMostPlaces + kDrainSlack);
    placed_ = scratch.take<T>(kMostPlaces + kRunSlack);
    sums_ = scratch.take<T>(width_ + 1);
    if (before_ == nullptr || columns_ == nullptr || placed_ == nullptr || sums_ == nullptr ||
        !dense_.init(scratch, part.words, options.mask != nullptr) ||
        (repeated > 0 && !repeats_.init(scratch, options.semiring, repeated)))
      return false;
  }
  return (part.bound == 0 || wide_.init(scratch, part)) && slice_.init(scratch, part.entries);
}

template <class T>
bool Writer<T>::fill(const Product& product, const CsrView<T>& a, const CsrView<T>& b, const Window& window, size_t i,
                     size_t end, uint32_t* indices, T* values, size_t count) {
  RowInput<T> row{product.row(i), a.values + a.indptr[i], b.values};
  const RowWork& work = product.plan.work[i];
  uint64_t products = work.products;
  uint32_t base = work.base();
  size_t words = work.words();
  const BlockRows* blocks = &product.plan.blocks;
  if (window.slice) {
    static_cast<RowPattern&>(row) = slice_.cut(row, window, products);
    base = window.low & ~63u;
    words = window.high / 64 - window.low / 64 + 1;
    blocks = nullptr;
  }
  if (products == 0) return count == 0;
  const MaskRow mask = product.mask_row(i);
  const Semiring semiring = product.options.semiring;
  if (window.kind != Accumulator::dense)
    return wide_.fill(window.kind, row, semiring, std::min<uint64_t>(products, window.width()), mask,
                      product.options.sorted, indices, values, count);
  if (mask.given && !mask.complement)
    return fill_allowed(row, semiring, base, words, mask, indices, values, count) == count;
  const bool repeats = i + 1 < product.a.rows && product.plan.work[i + 1].repeat != static_cast<uint64_t>(Repeat::no);
  const bool head = !mask.given && !window.slice && products <= kMostPlaces && (repeats || work.again || work.back > 0);
  if (head && repeats_.find(product, i)) {
    if (repeats_.count() != count) return false;
    repeats_.write(product, row, i, end, true, indices, values);
    return true;
  }
  const bool kept = product.plan.bits_kept;  // the counting has marked the row
  if (!kept && !mask.given && !window.slice && suits_sort(products, words) && (head || semiring.is_plus_times())) {
    // columns_ holds the keys. A row that is not as counted must not be written: its end would be another's begin.
    if (kernels_.sort(row, base, columns_) != count) return false;
    if (!head) {
      rows_.add_sorted(row, base, columns_, products, count, placed_, indices, values);
      return true;
    }
    kernels_.places_of_sorted(columns_, products, count, base, repeats_.make_room(products), indices);
    repeats_.keep(product, i, count, indices);
    repeats_.write(product, row, i, end, false, indices, values);
    return true;
  }
  prefetch_for_write(indices, count);
  prefetch_for_write(values, count);
  const bool few = !mask.given && !kept && dense_.are_few(products, words);
  const size_t listed = few ? dense_.mark_few(row, base, words) : 0;
  const bool flat = !few && !kept && dense_.mark(row, products, blocks, base, words, mask);
  uint64_t* const marked = kept ? product.plan.row_bits + i * words : dense_.bits();
  // A row that is not as counted must not be written: its end would be another's begin.
  const size_t bits =
      few ? kernels_.rank_listed(marked, dense_.list(), listed, before_) : rank_(marked, words, before_);
  if (bits != count) return false;
  if (!head) {
    const uint32_t* const columns = flat && !mask.given ? dense_.flat() : nullptr;
    write(row, semiring, {base, words, products, marked, before_, columns, nullptr, count}, mask.given, indices,
          values);
    return true;
  }
  kernels_.places(row, base, dense_.bits(), before_, repeats_.make_room(products));
  const size_t found = drain_(dense_.bits(), few ? dense_.list() : nullptr, few ? listed : words, columns_);
  for (size_t e = 0; e < found; e++) indices[e] = base + columns_[e];
  repeats_.keep(product, i, count, indices);
  repeats_.write(product, row, i, end, false, indices, values);
  return true;
}

template <class T>
bool Writer<T>::suits_sort(uint64_t products, size_t words) const {
  return may_sort_ && fit_keys(products, words) && products <= 4 * words;
}

template <class T>
void Writer<T>::write(const RowInput<T>& row, Semiring semiring, const MarkedRow& marked, bool masked,
                      uint32_t* indices, T* values) {
  const auto& [base, words, products, bits, before, flat, keys, count] = marked;
  if (keys != nullptr) return rows_.add_sorted(row, base, keys, products, count, placed_, indices, values);
  if (!masked && (count >= 8 * words || products >= 4 * count)) {
    ready_sums();
    if (rows_.add_dense_flat != nullptr && semiring.is_plus_times() && products <= kMostFlat * row.n)
      rows_.add_dense_flat(row, base, base + static_cast<uint32_t>(width_), columns_, placed_, sums_);
    else
      rows_.add_dense(row, semiring, base, sums_);
    rows_.take_dense(bits, words, base, sums_, nothing_, indices, values);
    return;
  }
  std::fill_n(values, count, nothing_);
  if (flat != nullptr && semiring.is_plus_times())
    rows_.add_flat(row, base, bits, before, flat, placed_, indices, values);
  else
    rows_.add_by_rank(row, semiring, base, bits, before, masked, indices, values);
  std::fill_n(bits, words, 0);
}

// The bits of the mask's row and its rank directory stand in for those of the products, which are then looked at
// once.
template <class T>
size_t Writer<T>::fill_allowed(const RowInput<T>& row, Semiring semiring, uint32_t base, size_t words,
                               const MaskRow& mask, uint32_t* indices, T* values, size_t room) {
  const MaskRow in_reach = mask.between(base, words);
  if (in_reach.begin == in_reach.end) return 0;
  ready_sums();
  uint64_t* const allowed = dense_.allowed();
  uint64_t* const found = dense_.bits();
  set_bits(in_reach.begin, in_reach.end, base, allowed);
  rank_(allowed, words, before_);
  rows_.add_allowed(row, semiring, base, allowed, before_, found, sums_);
  // The sums lie as the mask's columns do. As everywhere, nothing is written beyond `room`.
  size_t n = 0;
  for (const uint32_t* c = in_reach.begin; c < in_reach.end; c++) {
    const uint32_t j = *c - base;
    T& sum = sums_[c - in_reach.begin];
    if (found[j / 64] >> j % 64 & 1) {
      if (n < room) {
        indices[n] = *c;
        values[n] = sum;
      }
      n++;
      sum = nothing_;
    }
  }
  for (const uint32_t* c = in_reach.begin; c < in_reach.end; c++)
    allowed[(*c - base) / 64] = found[(*c - base) / 64] = 0;
  return n;
}

template <class T>
size_t Writer<T>::fill_masked(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t i,
                              uint32_t* indices, T* values, size_t room) {
  const RowInput<T> row{product.row(i), a.values + a.indptr[i], b.values};
  const RowWork& work = product.plan.work[i];
  return fill_allowed(row, product.options.semiring, work.base(), work.words(), product.mask_row(i), indices, values,
                      room);
}

template <class T>
void Writer<T>::ready_sums() {
  if (!sums_ready_) std::fill_n(sums_, width_, nothing_);
  sums_ready_ = true;
}

template class Writer<double>;
template class Writer<float>;
template class Writer<int32_t>;

}  // namespace lapidary
