// Sums of plain counts, field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "auto_label_image_grounding/data/step.h"

namespace alig {

template <typename T>
void add_field(T& sum, const T& part) {
  sum += part;
}
inline void add_field(std::map<std::string, std::int64_t>& sum,
                      const std::map<std::string, std::int64_t>& part) {
  for (const auto& [name, count] : part) sum[name] += count;
}
template <typename T>
void add_field(PerStep<T>& sum, const PerStep<T>& part) {
  for (const Step step : StepSet::all()) add_field(sum[step], part[step]);
}

// Adds all fields of `part`. Counts::fields_of() ties them together; it uses a structured binding,
// so that a missing field is a compile error.
template <typename Counts>
Counts& add_fields(Counts& sum, const Counts& part) {
  const auto sums = Counts::fields_of(sum);
  const auto parts = Counts::fields_of(part);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (add_field(std::get<I>(sums), std::get<I>(parts)), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(sums)>>());
  return sum;
}

}  // namespace alig
