// Step 1 alone: on what step 0 wrote, and on what somebody made of it.
#include "auto_label_image_grounding/results/checkpoint_store.h"
#include "tests/unit/run/pipeline_fixture.h"

namespace alig {
namespace {

class PipelineStepsApartTest : public PipelineTest {};

TEST_F(PipelineStepsApartTest, StepsRunApartGiveTheSameBytes) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec("together"), endpoint).status);
  Spec apart = spec("apart");
  apart.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(apart, endpoint).status);
  apart.workflow.steps = {Step::kGrounding};
  ASSERT_TRUE(run(apart, endpoint).status);
  for (const char* file : {"annotations.jsonl", "step_0_expression_extraction/annotations.jsonl",
                           "step_1_grounding/annotations.jsonl"}) {
    EXPECT_EQ(read_text(folder_ / "together" / file), read_text(folder_ / "apart" / file)) << file;
  }
}

// a.png is the image of two records, whose derived ids are equal.
TEST_F(PipelineStepsApartTest, UniqueIdsAreTheSameWhicheverStepMakesThem) {
  FakeEndpoint endpoint(good_answer);
  const auto run_steps = [&](const char* folder, StepSet steps, bool unique) {
    Spec wanted = spec(folder);
    wanted.workflow.steps = steps;
    wanted.data.unique_image_ids = unique;
    ASSERT_TRUE(run(wanted, endpoint).status);
  };
  run_steps("together", StepSet::all(), true);
  run_steps("apart", {Step::kExtraction}, true);
  run_steps("apart", {Step::kGrounding}, true);
  run_steps("late", {Step::kExtraction}, false);
  run_steps("late", {Step::kGrounding}, true);
  const std::string ours = output("together");
  EXPECT_EQ(output("apart"), ours);
  EXPECT_EQ(output("late"), ours);
  const auto written = records("together");
  EXPECT_EQ(written[0]["image_id"], "a-" + sample_key((folder_ / "a.png").string(), "a cat"));
  EXPECT_NE(written[2]["image_id"], written[0]["image_id"]);
  EXPECT_EQ(written[1]["image_id"], "b");

  const int asked = endpoint.requests();
  run_steps("apart", StepSet::all(), true);
  run_steps("together", StepSet::all(), false);
  EXPECT_EQ(records("together")[0]["image_id"], "a");
  run_steps("together", StepSet::all(), true);
  EXPECT_EQ(output("together"), ours);
  EXPECT_EQ(endpoint.requests(), asked) << "checkpoints go by the input's ids";
}

TEST_F(PipelineStepsApartTest, HandMadeCorrectionsAreNotOverwritten) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  std::string text = read_text(path);
  text.replace(text.find("\"text\": \"cat\""), 13, "\"text\": \"dog\"");
  write_text(path, text);
  const RunOutcome refused = run(spec(), endpoint);
  ASSERT_FALSE(refused.status);
  EXPECT_THAT(refused.status.error().message, HasSubstr("steps=[\"1\"]"));
  Spec only_grounding = spec();
  only_grounding.workflow.steps = {Step::kGrounding};
  ASSERT_TRUE(run(only_grounding, endpoint).status);
  EXPECT_EQ(records()[0]["expressions"][0]["text"], "dog");
  EXPECT_EQ(records()[0]["expressions"][0]["instances"][0]["bbox"], (json{1, 1, 4, 4}));
  Spec force = spec();
  force.workflow.force_reprocess = true;
  ASSERT_TRUE(run(force, endpoint).status);
  EXPECT_EQ(records()[0]["expressions"][0]["text"], "cat");
}

TEST_F(PipelineStepsApartTest, StepOneAloneNeedsStepZero) {
  FakeEndpoint endpoint(good_answer);
  Spec only_grounding = spec();
  only_grounding.workflow.steps = {Step::kGrounding};
  const RunOutcome outcome = run(only_grounding, endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("step 0"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out")) << "nothing is left of a misspelt folder";
}

TEST_F(PipelineStepsApartTest, WhatFailedInStepZeroIsListedByStepOneAlone) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(400) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  EXPECT_TRUE(run(first, endpoint).status);
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  const RunOutcome outcome = run(second, endpoint);
  EXPECT_EQ(outcome.report.counts.records.failures_by_kind.at("client_error"), 1);
  const json listed = json::parse(read_text(folder_ / "out" / "failures.jsonl"));
  EXPECT_EQ(listed["line"], 2);
  EXPECT_EQ(listed["step"], "0");
}

TEST_F(PipelineStepsApartTest, StepOneAloneKeepsWhatStepZeroListed) {
  const std::string input = read_text(folder_ / "in.jsonl");
  write_text(folder_ / "in.jsonl", "nonsense\n\n" + input);
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(400) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  EXPECT_TRUE(run(first, endpoint).status);
  const std::string listed = read_text(folder_ / "out" / "failures.jsonl");
  ASSERT_THAT(listed, HasSubstr("\"line\":1"));
  ASSERT_THAT(listed, HasSubstr("\"line\":4"));
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  for (const char* time : {"once", "and again"}) {
    const RunOutcome outcome = run(second, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(read_text(folder_ / "out" / "failures.jsonl"), listed) << time;
    EXPECT_EQ(outcome.report.counts.bad_lines, 1);
    EXPECT_THAT(outcome.report.warnings.back(), HasSubstr("steps=[\"0\",\"1\"]"));
  }
}

TEST_F(PipelineStepsApartTest, ABadLineOfAnEditedStepZeroIsToldFromTheInputs) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(first, endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  std::string text = read_text(path);
  text.replace(text.find("\"text\": \"cat\""), 13, "\"text\": \" \"");
  write_text(path, text);
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  for (int i = 0; i < 2; ++i) {
    const RunOutcome outcome = run(second, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.report.counts.bad_lines, 1) << "not carried over as the input's";
    const json failure = json::parse(read_text(folder_ / "out" / "failures.jsonl"));
    EXPECT_EQ(failure["line"], 1);
    EXPECT_EQ(failure["file"], path.string());
    EXPECT_EQ(failure["step"], "1");
    EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("empty \"text\""));
  }
}

TEST_F(PipelineStepsApartTest, CorrectionsAreMadeTrueBeforeTheyAreGrounded) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(first, endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  std::string text = read_text(path);
  // In the third record "cat" becomes "and", with the span of "cat".
  const std::size_t third = text.find("a cat and a dog");
  text.replace(text.find("\"text\": \"cat\"", third), 13, "\"text\": \"and\"");
  write_text(path, text);
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  const RunOutcome outcome = run(second, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.counts.labels.spans_corrected, 1);
  EXPECT_EQ(records()[2]["expressions"][0]["char_span"], (json{6, 9}));
}

TEST_F(PipelineStepsApartTest, TheAdviceForAnEditedStepZeroIsOneThatWorks) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(400) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(first, endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  write_text(path, read_text(path) + "\n");
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  const RunOutcome outcome = run(second, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.counts.records.failed, 1);
  EXPECT_THAT(outcome.report.warnings.back(), HasSubstr("in another results_dir"));
  EXPECT_FALSE(run(spec(), endpoint).status) << "steps 0 and 1 refuse";
}

// A run of step 0 that was killed just before it replaced failures.jsonl.
TEST_F(PipelineStepsApartTest, BadLinesOfAnotherRunAreNotCarriedOn) {
  const std::string input = read_text(folder_ / "in.jsonl");
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  const auto failures = folder_ / "out" / "failures.jsonl";
  write_text(folder_ / "in.jsonl", "nonsense\n" + input);
  ASSERT_TRUE(run(first, endpoint).status);
  const std::string old = read_text(failures);
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  for (const char* other : {"", "more\nnonsense\n"}) {
    write_text(folder_ / "in.jsonl", other + input);
    ASSERT_TRUE(run(first, endpoint).status);
    write_text(failures, old);
    const RunOutcome outcome = run(second, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.report.counts.bad_lines, 0) << other;
    EXPECT_EQ(read_text(failures), "") << other;
    EXPECT_THAT(outcome.report.warnings.front(), HasSubstr("is not of the run that wrote"));
  }
  std::filesystem::remove(failures);
  EXPECT_THAT(run(second, endpoint).report.warnings.front(), HasSubstr("is not of the run"));
}

TEST_F(PipelineStepsApartTest, AFailureOfAnotherRunIsNotTakenForTheRecords) {
  int code = 400;
  FakeEndpoint endpoint([&](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(code) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  const auto failures = folder_ / "out" / "failures.jsonl";
  ASSERT_TRUE(run(first, endpoint).status);
  const std::string old = read_text(failures);
  code = 422;
  ASSERT_TRUE(run(first, endpoint).status);
  write_text(failures, old);
  Spec second = spec();
  second.workflow.steps = {Step::kGrounding};
  ASSERT_TRUE(run(second, endpoint).status);
  const json listed = json::parse(read_text(failures));
  EXPECT_THAT(listed["message"].get<std::string>(), HasSubstr("422"));
}

TEST_F(PipelineStepsApartTest, AnEditedCopyAtTheTopIsKept) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const std::string mine = output() + "\n";
  write_text(folder_ / "out" / "annotations.jsonl", mine);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(read_text(folder_ / "out" / "annotations.previous.jsonl"), mine);
  EXPECT_THAT(outcome.report.warnings.back(), HasSubstr("annotations.previous.jsonl"));
}

}  // namespace
}  // namespace alig
