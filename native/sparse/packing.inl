// Templates of packing.h.
#pragma once
#include <algorithm>
#include <tuple>

namespace coppice::sparse {

template <class Offset>
Packed pack(const Nonzeros& nonzeros, const Choice& choice, Arithmetic arithmetic, int64_t column_step,
            Offset offset) {
  Packed packed;
  const auto outputs = static_cast<int64_t>(nonzeros.start.size()) - 1;
  const int64_t each = arithmetic == Arithmetic::kBf16 ? 2 : 1;  // multiply-adds of a word
  const auto row = [&](int64_t output) {
    return std::pair(nonzeros.entries.data() + nonzeros.start[output],
                     nonzeros.entries.data() + nonzeros.start[output + 1]);
  };
  const auto size = [](size_t count) { return static_cast<uint32_t>(count); };
  for (int64_t first = 0; first < outputs; first += choice.outputs) {
    const int64_t here = std::min<int64_t>(choice.outputs, outputs - first);
    Packed::Block block{
        first, here, size(packed.jobs.size()), 0, size(packed.entries.size()), size(packed.offsets.size()),
        0};
    if (choice.by_columns) {
      // Columns in which any output of the block has a weight, merged row by row: all rows have the same
      // order.
      std::vector<const Nonzero*> at(here), end(here);
      for (int64_t o = 0; o < here; ++o) std::tie(at[o], end[o]) = row(first + o);
      const auto key = [](const Nonzero& n) {
        return static_cast<int64_t>(n.channel) << 32 | static_cast<int64_t>(n.y) << 16 | n.x;
      };
      while (true) {
        const Nonzero* next = nullptr;
        for (int64_t o = 0; o < here; ++o)
          if (at[o] != end[o] && (next == nullptr || key(*at[o]) < key(*next))) next = at[o];
        if (next == nullptr) break;
        const Nonzero column = *next;
        packed.offsets.push_back(offset(column.channel, column.y, column.x));
        const size_t words = packed.words.size();
        packed.words.resize(words + kGroup, 0);
        for (int64_t o = 0; o < here; ++o)
          if (at[o] != end[o] && key(*at[o]) == key(column)) packed.words[words + o] = (at[o]++)->word;
      }
      block.columns = size(packed.offsets.size()) - block.column;
      if (column_step > 1) interleave(packed, block, column_step);
      packed.products += block.columns * here * each;
    } else {
      const int64_t channels = nonzeros.entries.empty() ? 0 : nonzeros.channels;
      std::vector<const Nonzero*> at(here);
      for (int64_t o = 0; o < here; ++o) at[o] = row(first + o).first;
      std::vector<Job> jobs;
      for (int64_t input = 0; input < channels; input += choice.inputs) {
        jobs.clear();
        std::vector<const Nonzero*> begin = at;
        for (int64_t o = 0; o < here; ++o) {
          const Nonzero* end = row(first + o).second;
          while (at[o] != end && at[o]->channel < input + choice.inputs) ++at[o];
          if (at[o] != begin[o]) jobs.push_back({size(o), size(at[o] - begin[o])});
        }
        // Jobs of like length follow each other: their loops end alike, which branches are predicted by.
        std::stable_sort(jobs.begin(), jobs.end(), [](Job a, Job b) { return a.entries < b.entries; });
        for (const Job& job : jobs) {
          packed.jobs.push_back(job);
          for (const Nonzero* n = begin[job.output]; n != at[job.output]; ++n)
            packed.entries.push_back({offset(n->channel, n->y, n->x), n->word});
        }
      }
      block.jobs = size(packed.jobs.size()) - block.job;
      packed.products += (size(packed.entries.size()) - block.entry) * each;
    }
    packed.blocks.push_back(block);
  }
  return packed;
}

}  // namespace coppice::sparse
