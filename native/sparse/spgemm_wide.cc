#include "sparse/spgemm_wide.h"

#include <limits>

#include "sparse/semiring.h"

namespace lapidary {
namespace {

#include "sparse/semiring_lanes.h"

constexpr size_t kChunk = 128;  // products made at a time

struct Lists {
  uint64_t*& keys;
  uint64_t*& other;
  uint64_t*& heap;
  uint32_t*& next;

  bool take(ArenaFrame& scratch, const WindowPart& part) {
    const size_t n = std::max(part.bound, part.products);
    if (part.products > std::numeric_limits<uint32_t>::max()) return false;  // a key has 32 bits for its product
    keys = scratch.take<uint64_t>(n);
    other = scratch.take<uint64_t>(n);
    heap = scratch.take<uint64_t>(part.entries);
    next = scratch.take<uint32_t>(part.entries);
    return keys != nullptr && other != nullptr && heap != nullptr && next != nullptr;
  }
};

uint64_t key_of(uint32_t column, size_t rest) { return uint64_t{column} << 32 | rest; }
uint32_t column_of(uint64_t key) { return static_cast<uint32_t>(key >> 32); }

// All products of a row as keys (column, number), sorted: equal columns in the order of k. Returns how many.
size_t sorted_keys(const RowPattern& row, uint64_t* keys, uint64_t* other) {
  size_t n = 0;
  uint32_t low = std::numeric_limits<uint32_t>::max(), high = 0;
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    if (k.begin == k.end) continue;
    low = std::min(low, row.b_indices[k.begin]);
    high = std::max(high, row.b_indices[k.end - 1]);
    for (size_t q = k.begin; q < k.end; q++, n++) keys[n] = key_of(row.b_indices[q], n);
  }
  sort_by_column(keys, other, n, low, high);
  return n;
}

// Merges the rows of B: visit(column, entry of A, position in B) for each product, columns ascending and k ascending in
// each. heap[0 … size − 1] holds the next column of each row, its entry of A below it.
template <class Visit>
void merge(const RowPattern& row, uint64_t* heap, uint32_t* next, Visit visit) {
  size_t size = 0;
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    next[e] = k.begin;
    if (k.begin < k.end) heap[size++] = key_of(row.b_indices[k.begin], e);
  }
  const auto sift = [&](size_t at, uint64_t key) {
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
      child += child + 1 < size && heap[child + 1] < heap[child];
      if (heap[child] >= key) break;
      heap[at] = heap[child];
    }
    heap[at] = key;
  };
  for (size_t at = size / 2; at-- > 0;) sift(at, heap[at]);
  while (size > 0) {
    const uint64_t top = heap[0];
    const uint32_t e = static_cast<uint32_t>(top);
    const uint32_t p = next[e]++;
    visit(column_of(top), e, p);
    if (p + 1 < row.extent(e).end) {
      sift(0, key_of(row.b_indices[p + 1], e));
    } else if (--size > 0) {
      sift(0, heap[size]);
    }
  }
}

// Counts or writes entries whose columns come in runs: open(column) begins one if the mask allows it.
struct Runs {
  const MaskRow& mask;
  size_t limit;
  size_t found = 0;
  uint64_t last = std::numeric_limits<uint64_t>::max();
  bool allowed = false;

  // True if the product counts and there is room; `fresh` if it is the first of its entry.
  bool take(uint32_t column, bool& fresh) {
    fresh = column != last;
    if (fresh) {
      last = column;
      allowed = mask.allows(column);
      found += allowed;
    }
    return allowed && found <= limit;
  }
};

template <AddOp kAdd, class T>
struct Filler {
  const RowInput<T>& row;
  MultiplyOp op;
  const MaskRow& mask;
  uint32_t* indices;
  T* values;
  size_t count;

  T product(size_t e, size_t p) const {
    T x{};
    multiply(op, row.values[e], row.b_values + p, 1, &x);
    return x;
  }

  void put(Runs& runs, uint32_t column, T x) const {
    bool fresh;
    if (!runs.take(column, fresh)) return;
    const size_t at = runs.found - 1;
    if (fresh) {
      indices[at] = column;
      values[at] = added<kAdd>(nothing<kAdd, T>(), x);
    } else {
      values[at] = added<kAdd>(values[at], x);
    }
  }

  bool by_merging(uint64_t* heap, uint32_t* next) const {
    Runs runs{mask, count};
    merge(row, heap, next, [&](uint32_t column, size_t e, size_t p) { put(runs, column, product(e, p)); });
    return runs.found == count;
  }

  bool by_sorting(uint64_t* keys, uint64_t* other, T* products) const {
    T* to = products;
    for (size_t e = 0; e < row.n; e++) {
      const RowExtent k = row.extent(e);
      multiply(op, row.values[e], row.b_values + k.begin, k.end - k.begin, to);
      to += k.end - k.begin;
    }
    const size_t n = sorted_keys(row, keys, other);
    Runs runs{mask, count};
    for (size_t c = 0; c < n; c++) put(runs, column_of(keys[c]), products[static_cast<uint32_t>(keys[c])]);
    return runs.found == count;
  }

  bool by_hashing(ColumnTable& table, size_t bound, bool sorted, uint64_t* keys, uint64_t* other, T* sums) const {
    table.open(bound);
    size_t found = 0;
    uint32_t low = std::numeric_limits<uint32_t>::max(), high = 0;
    T products[kChunk];
    for (size_t e = 0; e < row.n; e++) {
      const RowExtent k = row.extent(e);
      if (k.begin == k.end) continue;
      low = std::min(low, row.b_indices[k.begin]);
      high = std::max(high, row.b_indices[k.end - 1]);
      for (size_t q = k.begin; q < k.end; q += kChunk) {
        const size_t n = std::min(kChunk, k.end - q);
        multiply(op, row.values[e], row.b_values + q, n, products);
        for (size_t c = 0; c < n; c++) {
          const uint32_t column = row.b_indices[q + c];
          bool fresh;
          const size_t slot = table.find(column, fresh);
          if (fresh) {
            sums[slot] = added<kAdd>(nothing<kAdd, T>(), products[c]);
            keys[found] = key_of(column, slot);
            found += mask.allows(column);
          } else {
            sums[slot] = added<kAdd>(sums[slot], products[c]);
          }
        }
      }
    }
    if (found != count) return false;
    if (sorted) sort_by_column(keys, other, count, low, high);
    for (size_t c = 0; c < count; c++) {
      indices[c] = column_of(keys[c]);
      values[c] = sums[static_cast<uint32_t>(keys[c])];
    }
    return true;
  }
};

}  // namespace

template <class T>
T nothing_of(AddOp op) {
#define LAPIDARY_CALL(kAdd) nothing<kAdd, T>()
  LAPIDARY_FOR_ADD(op, LAPIDARY_CALL);
#undef LAPIDARY_CALL
}

bool WidePattern::init(ArenaFrame& scratch, const WindowPart& part) {
  return Lists{keys_, other_, heap_, next_}.take(scratch, part) && table_.init(scratch, part.bound);
}

size_t WidePattern::count(Accumulator kind, const RowPattern& row, size_t bound, const MaskRow& mask) {
  Runs runs{mask, std::numeric_limits<size_t>::max()};
  bool fresh;
  if (kind == Accumulator::heap) {
    merge(row, heap_, next_, [&](uint32_t column, size_t, size_t) { runs.take(column, fresh); });
    return runs.found;
  }
  if (kind == Accumulator::sort) {
    const size_t n = sorted_keys(row, keys_, other_);
    for (size_t c = 0; c < n; c++) runs.take(column_of(keys_[c]), fresh);
    return runs.found;
  }
  size_t found = 0;
  table_.open(bound);
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    for (size_t q = k.begin; q < k.end; q++) {
      table_.find(row.b_indices[q], fresh);
      found += fresh && mask.allows(row.b_indices[q]);
    }
  }
  return found;
}

template <class T>
bool WideRow<T>::init(ArenaFrame& scratch, const WindowPart& part) {
  sums_ = scratch.take<T>(ColumnTable::slots_for(part.bound));
  products_ = scratch.take<T>(part.products);
  return sums_ != nullptr && products_ != nullptr && Lists{keys_, other_, heap_, next_}.take(scratch, part) &&
         table_.init(scratch, part.bound);
}

template <class T>
bool WideRow<T>::fill(Accumulator kind, const RowInput<T>& row, Semiring semiring, size_t bound, const MaskRow& mask,
                      bool sorted, uint32_t* indices, T* values, size_t count) {
  const auto fill_with = [&](const auto& filler) {
    if (kind == Accumulator::heap) return filler.by_merging(heap_, next_);
    if (kind == Accumulator::sort) return filler.by_sorting(keys_, other_, products_);
    return filler.by_hashing(table_, bound, sorted, keys_, other_, sums_);
  };
#define LAPIDARY_CALL(kAdd) fill_with(Filler<kAdd, T>{row, semiring.multiply, mask, indices, values, count})
  LAPIDARY_FOR_ADD(semiring.add, LAPIDARY_CALL);
#undef LAPIDARY_CALL
}

template class WideRow<double>;
template class WideRow<float>;
template class WideRow<int32_t>;
template double nothing_of(AddOp);
template float nothing_of(AddOp);
template int32_t nothing_of(AddOp);

}  // namespace lapidary
