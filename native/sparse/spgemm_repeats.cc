#include "sparse/spgemm_repeats.h"

#include <algorithm>
#include <utility>

namespace lapidary {

template <class T>
bool RepeatedRows<T>::init(ArenaFrame& scratch, Semiring semiring, size_t most) {
  semiring_ = semiring;
  nothing_ = nothing_of<T>(semiring.add);
  std::fill_n(roots_, kSlots + 1, kNone);
  for (Slot& slot : slots_) {
    const bool large = &slot == &slots_[kLarge];
    if (large && most <= kMostSmall) continue;
    const size_t room = std::min(most, large ? kMostPlaces : kMostSmall);
    slot.places = scratch.take<uint32_t>(room);
    if (slot.places == nullptr || !slot.blocks.init(scratch, room) || !slot.tiles.init(scratch, room)) return false;
  }
  lanes_ = scratch.take<T>(RowTiles<T>::kRoom);
  sums_ = scratch.take<T>(kMostPlaces + kRunSlack);
  bases_ = scratch.take<const T*>(kMostPlaces);
  moves_ = scratch.take<uint32_t>(kMostPlaces);
  return lanes_ != nullptr && sums_ != nullptr && bases_ != nullptr && moves_ != nullptr;
}

template <class T>
bool RepeatedRows<T>::find(const Product& product, size_t i) {
  const size_t root = i - product.plan.work[i].back;
  for (size_t s = 0; s <= kSlots; s++) {
    if (roots_[s] != root) continue;
    current_ = s;
    return true;
  }
  return false;
}

template <class T>
uint32_t* RepeatedRows<T>::make_room(size_t products) {
  current_ = products <= kMostSmall ? next_++ % kSlots : kLarge;
  roots_[current_] = kNone;
  return slots_[current_].places;
}

template <class T>
void RepeatedRows<T>::keep(const Product& product, size_t i, size_t count, const uint32_t* columns) {
  Slot& slot = slots_[current_];
  const RowWork& work = product.plan.work[i];
  roots_[current_] = i - work.back;
  slot.row = i;
  slot.products = work.products;
  slot.count = count;
  slot.columns = columns;
  slot.by_block = slot.by_tile = semiring_.is_plus_times() ? Built::not_yet : Built::no;
}

// Whether A and B have the same indptr and values; `row` is row i.
template <class T>
bool is_square(const Product& product, const RowInput<T>& row, size_t i) {
  return product.a.indptr == product.b.indptr && row.values == row.b_values + product.a.indptr[i];
}

template <class T>
bool RepeatedRows<T>::can_tile(Slot& slot, const RowInput<T>& row, bool square) {
  if (slot.by_tile == Built::not_yet) {
    const bool built = rows_.add_by_tile != nullptr &&
                       slot.tiles.build(row, square, rows_.tile_lanes, slot.places, slot.products, slot.count);
    slot.by_tile = built ? Built::yes : Built::no;
  }
  return slot.by_tile == Built::yes;
}

template <class T>
bool RepeatedRows<T>::can_block(Slot& slot, const RowInput<T>& row) {
  if (slot.by_block == Built::not_yet) {
    // bases_ and moves_ have room for so many rows of B; a row may name more, most of them empty.
    const bool built =
        row.n <= kMostPlaces && slot.blocks.build(row, rows_.blocks, slot.places, slot.products, slot.count);
    slot.by_block = built ? Built::yes : Built::no;
  }
  return slot.by_block == Built::yes;
}

template <class T>
void RepeatedRows<T>::write(const Product& product, const RowInput<T>& row, size_t i, size_t last, bool found,
                            uint32_t* indices, T* values) {
  Slot& slot = slots_[current_];
  last_row_ = i;
  if (found) kernels_.repeat_columns(slot.columns, slot.count, 1, static_cast<uint32_t>(i - slot.row), indices);
  const auto moves_on = [&](const RowWork& work) { return work.repeat == static_cast<uint64_t>(Repeat::shifted); };
  const RowWork* const next = product.plan.work + i + 1;
  const size_t few = RowTiles<T>::kFewestRows - 1;
  head_waits_ =
      last - i > few && std::all_of(next, next + few, moves_on) && can_tile(slot, row, is_square(product, row, i));
  if (head_waits_) return;
  if (can_block(slot, row))
    rows_.add_by_block(slot.blocks.run(row, 1, false, bases_, moves_), slot.count, values);
  else
    rows_.add_by_place(row, semiring_, slot.places, slot.count, nothing_, sums_, values);
}

template <class T>
size_t RepeatedRows<T>::write_next(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t i,
                                   size_t end, const CsrPattern& c, uint32_t* indices, T* values) {
  if (last_row_ == kNone || last_row_ + 1 != i) return i;
  const size_t count = slots_[current_].count;
  while (i < end && product.plan.work[i].repeat != static_cast<uint64_t>(Repeat::no)) {
    const uint64_t kind = product.plan.work[i].repeat;
    const size_t first = i;
    bool as_counted = true;
    do {
      as_counted &= c.indptr[i + 1] - c.indptr[i] == count;
      i++;
    } while (i < end && product.plan.work[i].repeat == kind);
    if (!as_counted) return kNone;
    const size_t p = c.indptr[first];
    const bool shifted = kind == static_cast<uint64_t>(Repeat::shifted);
    kernels_.repeat_columns(indices + p - count, count, i - first, shifted, indices + p);
    const size_t head = std::exchange(head_waits_, false);
    add_rows(product, a, b, first - head, i, shifted, values + p - head * count);
    last_row_ = i - 1;
  }
  return i;
}

template <class T>
void RepeatedRows<T>::add_rows(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t first,
                               size_t last, bool shifted, T* values) {
  Slot& slot = slots_[current_];
  const auto row = [&](size_t i) { return RowInput<T>{product.row(i), a.values + a.indptr[i], b.values}; };
  if (shifted && last - first >= RowTiles<T>::kFewestRows &&
      can_tile(slot, row(first), is_square(product, row(first), first)))
    return rows_.add_by_tile(slot.tiles.run(row(first), last - first, lanes_), values);
  if (can_block(slot, row(first)))
    return rows_.add_by_block(slot.blocks.run(row(first), last - first, shifted, bases_, moves_), slot.count, values);
  for (size_t i = first; i < last; i++, values += slot.count)
    rows_.add_by_place(row(i), semiring_, slot.places, slot.count, nothing_, sums_, values);
}

template class RepeatedRows<double>;
template class RepeatedRows<float>;
template class RepeatedRows<int32_t>;

}  // namespace lapidary
