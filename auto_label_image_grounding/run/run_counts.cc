#include "auto_label_image_grounding/run/run_counts.h"

#include <cstddef>
#include <utility>

namespace alig {
namespace {

template <typename T>
void add(T& sum, const T& part) {
  sum += part;
}

void add(std::map<std::string, std::int64_t>& sum,
         const std::map<std::string, std::int64_t>& part) {
  for (const auto& [name, count] : part) sum[name] += count;
}

void add(PerStep<StepCounts>& sum, const PerStep<StepCounts>& part) {
  for (const Step step : StepSet::all()) sum[step] += part[step];
}

template <typename Fields, typename Parts, std::size_t... I>
void add_all(const Fields& sums, const Parts& parts, std::index_sequence<I...>) {
  (add(std::get<I>(sums), std::get<I>(parts)), ...);
}

template <typename Counts>
Counts& add_counts(Counts& sum, const Counts& part) {
  const auto sums = fields_of(sum);
  add_all(sums, fields_of(part), std::make_index_sequence<std::tuple_size_v<decltype(sums)>>());
  return sum;
}

}  // namespace

StepCounts& StepCounts::operator+=(const StepCounts& other) { return add_counts(*this, other); }

RunCounts& RunCounts::operator+=(const RunCounts& other) { return add_counts(*this, other); }

std::int64_t RunCounts::requests() const {
  std::int64_t sum = 0;
  for (const Step step : StepSet::all()) sum += steps[step].requests;
  return sum;
}

std::int64_t RunCounts::retries() const {
  std::int64_t sum = 0;
  for (const Step step : StepSet::all()) sum += steps[step].retries;
  return sum;
}

TokenUsage RunCounts::tokens() const {
  TokenUsage sum;
  for (const Step step : StepSet::all()) sum += steps[step].tokens;
  return sum;
}

}  // namespace alig
