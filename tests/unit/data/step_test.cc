#include "auto_label_image_grounding/data/step.h"

#include <vector>

#include <gtest/gtest.h>

namespace alig {
namespace {

TEST(Step, TheTableIsInTheOrderOfTheSteps) {
  for (std::size_t i = 0; i < kStepCount; ++i) EXPECT_EQ(index_of(kStepTraits[i].step), i);
}

TEST(Step, IsFoundByItsName) {
  for (const Step step : StepSet::all()) EXPECT_EQ(step_named(name_of(step)), step);
  EXPECT_FALSE(step_named("2"));
  EXPECT_FALSE(step_named(""));
}

TEST(StepSet, HoldsStepsInTheirOrder) {
  const StepSet set = {Step::kGrounding, Step::kExtraction};
  std::vector<Step> steps;
  for (const Step step : set) steps.push_back(step);
  EXPECT_EQ(steps, (std::vector<Step>{Step::kExtraction, Step::kGrounding}));
  EXPECT_EQ(set, StepSet::all());
  EXPECT_EQ(set.last(), Step::kGrounding);
}

TEST(StepSet, ReportsItsContents) {
  StepSet set;
  EXPECT_TRUE(set.empty());
  set.insert(Step::kGrounding);
  EXPECT_TRUE(set.contains(Step::kGrounding));
  EXPECT_FALSE(set.contains(Step::kExtraction));
  EXPECT_EQ(set.last(), Step::kGrounding);
  EXPECT_EQ(*set.begin(), Step::kGrounding);
}

}  // namespace
}  // namespace alig
