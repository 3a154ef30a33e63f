#include "auto_label_image_grounding/run/run_counts.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

// Every number a different one, so that none can stand in for another.
class Filler {
 public:
  void fill(std::int64_t& count) { count = ++last_; }
  void fill(std::map<std::string, std::int64_t>& counts) { counts["one"] = ++last_; }
  void fill(TokenUsage& tokens) {
    tokens = {last_ + 1, last_ + 2, last_ + 3, last_ + 4};
    last_ += 4;
  }
  void fill(LabelCounts& labels) {
    fill(labels.null_spans);
    fill(labels.captions_kept);
    fill(labels.repairs);
    fill(labels.convention.boxes);
  }
  template <typename T>
  void fill(PerStep<T>& steps) {
    for (const Step step : StepSet::all()) fill(steps[step]);
  }
  template <typename Counts>
  requires requires(Counts& counts) { Counts::fields_of(counts); }
  void fill(Counts& counts) {
    std::apply([this](auto&... fields) { (this->fill(fields), ...); }, Counts::fields_of(counts));
  }

 private:
  std::int64_t last_ = 0;
};

void expect_doubled(std::int64_t sum, std::int64_t part) { EXPECT_EQ(sum, 2 * part); }
void expect_doubled(const std::map<std::string, std::int64_t>& sum,
                    const std::map<std::string, std::int64_t>& part) {
  expect_doubled(sum.at("one"), part.at("one"));
}
void expect_doubled(const TokenUsage& sum, const TokenUsage& part) {
  expect_doubled(sum.input, part.input);
  expect_doubled(sum.output, part.output);
  expect_doubled(sum.thinking, part.thinking);
  expect_doubled(sum.cached, part.cached);
}
void expect_doubled(const LabelCounts& sum, const LabelCounts& part) {
  for (const auto& [name, count] : sum.named()) expect_doubled(count, part.named().at(name));
  expect_doubled(sum.repairs, part.repairs);
  expect_doubled(sum.convention.boxes, part.convention.boxes);
}
template <typename Counts>
requires requires(const Counts& counts) { Counts::fields_of(counts); }
void expect_doubled(const Counts& sum, const Counts& part);
template <typename T>
void expect_doubled(const PerStep<T>& sum, const PerStep<T>& part) {
  for (const Step step : StepSet::all()) expect_doubled(sum[step], part[step]);
}
template <typename Counts>
requires requires(const Counts& counts) { Counts::fields_of(counts); }
void expect_doubled(const Counts& sum, const Counts& part) {
  const auto of_part = Counts::fields_of(part);
  std::apply(
      [&](const auto&... sums) {
        std::apply([&](const auto&... parts) { (expect_doubled(sums, parts), ...); }, of_part);
      },
      Counts::fields_of(sum));
}

TEST(RunCounts, AddUpFieldByField) {
  RunCounts part;
  Filler().fill(part);
  RunCounts sum = part;
  sum += part;
  expect_doubled(sum, part);
}

TEST(CallCounts, SumUpTheSteps) {
  CallCounts counts;
  counts.steps[Step::kExtraction].requests = 3;
  counts.steps[Step::kGrounding].requests = 4;
  counts.steps[Step::kGrounding].retries = 1;
  counts.steps[Step::kExtraction].tokens.input = 10;
  counts.steps[Step::kGrounding].tokens.input = 20;
  EXPECT_EQ(counts.total().requests, 7);
  EXPECT_EQ(counts.total().retries, 1);
  EXPECT_EQ(counts.total().tokens.input, 30);
}

}  // namespace
}  // namespace alig
