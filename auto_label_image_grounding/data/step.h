// The steps of the pipeline, in order: one row of kStepTraits each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace alig {

enum class Step : std::uint8_t { kExtraction, kGrounding };

struct StepTraits {
  Step step;
  const char* name;           // as in workflow.steps, in errors and in summary.json
  const char* noun;           // as in the dry run's report
  const char* folder;         // in results_dir
  const char* pipeline_step;  // as in a record's pipeline_steps
  // The step whose result it works on; none: the record itself.
  std::optional<Step> needs;
  // Whether the result describes the image itself, and one request asks for all records of an
  // image. Otherwise it describes the caption, and only the size recorded with it is the image's.
  bool describes_image;
};

inline constexpr std::array kStepTraits = {
    StepTraits{Step::kExtraction, "0", "extraction", "step_0_expression_extraction",
               "step0_expression_extraction", std::nullopt, false},
    StepTraits{Step::kGrounding, "1", "grounding", "step_1_grounding", "step1_grounding",
               Step::kExtraction, true},
};
inline constexpr std::size_t kStepCount = kStepTraits.size();

constexpr std::size_t index_of(Step step) { return static_cast<std::size_t>(step); }
constexpr const StepTraits& traits_of(Step step) { return kStepTraits[index_of(step)]; }
constexpr const char* name_of(Step step) { return traits_of(step).name; }

// The step of that name, if any.
constexpr std::optional<Step> step_named(std::string_view name) {
  for (const StepTraits& traits : kStepTraits) {
    if (name == traits.name) return traits.step;
  }
  return std::nullopt;
}

// One value for each step.
template <typename T>
struct PerStep {
  std::array<T, kStepCount> values{};

  constexpr T& operator[](Step step) { return values[index_of(step)]; }
  constexpr const T& operator[](Step step) const { return values[index_of(step)]; }
};

template <typename T>
constexpr PerStep<T> for_each_step(T value) {
  PerStep<T> out;
  out.values.fill(value);
  return out;
}

// Steps to run. Iterates in the order of the pipeline.
class StepSet {
 public:
  constexpr StepSet() = default;
  constexpr StepSet(std::initializer_list<Step> steps) {
    for (const Step step : steps) insert(step);
  }
  static constexpr StepSet all() {
    StepSet out;
    for (const StepTraits& traits : kStepTraits) out.insert(traits.step);
    return out;
  }

  constexpr void insert(Step step) { bits_ |= bit(step); }
  constexpr bool contains(Step step) const { return (bits_ & bit(step)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const StepSet&) const = default;

  class Iterator {
   public:
    constexpr Iterator(unsigned bits, std::size_t index) : bits_(bits), index_(index) { skip(); }
    constexpr Step operator*() const { return kStepTraits[index_].step; }
    constexpr Iterator& operator++() {
      ++index_;
      skip();
      return *this;
    }
    constexpr bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    constexpr void skip() {
      while (index_ < kStepCount && (bits_ >> index_ & 1U) == 0) ++index_;
    }
    unsigned bits_;
    std::size_t index_;
  };
  constexpr Iterator begin() const { return {bits_, 0}; }
  constexpr Iterator end() const { return {bits_, kStepCount}; }
  // Precondition: !empty().
  constexpr Step last() const {
    std::size_t index = kStepCount - 1;
    while ((bits_ >> index & 1U) == 0) --index;
    return kStepTraits[index].step;
  }

 private:
  static constexpr unsigned bit(Step step) { return 1U << index_of(step); }
  unsigned bits_ = 0;
};

}  // namespace alig
