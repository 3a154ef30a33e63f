// What a later run does: nothing is asked again that is still good, and what is not is.
#include "tests/unit/run/pipeline_fixture.h"

namespace alig {
namespace {

class PipelineResumeTest : public PipelineTest {};

TEST_F(PipelineResumeTest, ASecondRunAsksNothingAndWritesTheSame) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const std::string first = output();
  const RunOutcome again = run(spec(), endpoint);
  ASSERT_TRUE(again.status);
  EXPECT_EQ(endpoint.requests(), 5);
  EXPECT_EQ(output(), first);
  EXPECT_EQ(again.report.counts.from_checkpoint[Step::kExtraction], 4);
  EXPECT_EQ(again.report.counts.from_checkpoint[Step::kGrounding], 4);
}

TEST_F(PipelineResumeTest, MaxRequestsStopsResumably) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec("whole"), endpoint).status);
  Spec limited = spec("limited");
  limited.workflow.max_requests = 2;
  const RunOutcome outcome = run(limited, endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("max_requests"));
  EXPECT_EQ(outcome.report.counts.calls.total().requests, 2);
  EXPECT_EQ(output("limited"), "") << "nothing is published before it is whole";
  limited.workflow.max_requests = 0;
  const int before = endpoint.requests();
  ASSERT_TRUE(run(limited, endpoint).status);
  EXPECT_EQ(endpoint.requests() - before, 3);
  EXPECT_EQ(output("limited"), output("whole"));
}

TEST_F(PipelineResumeTest, AnInterruptedRunGoesOnWhereItStopped) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec("whole"), endpoint).status);
  Spec one = spec("part");
  one.workflow.max_workers = 1;
  const int before = endpoint.requests();
  const RunOutcome outcome = run(one, endpoint, [&] {
    return endpoint.requests() > before ? Interrupt::kStop : Interrupt::kNone;
  });
  if (!outcome.status) {
    EXPECT_EQ(outcome.status.error().kind, ErrorKind::kInterrupted);
    EXPECT_EQ(outcome.report.status, "interrupted");
  }
  ASSERT_TRUE(run(one, endpoint).status);
  EXPECT_EQ(endpoint.requests() - before, 5) << "nothing is asked twice";
  EXPECT_EQ(output("part"), output("whole"));
}

TEST_F(PipelineResumeTest, AnInterruptedForceReprocessGoesOnOverAnEditedOutput) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const auto edited = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  write_text(edited, read_text(edited) + " \n");
  Spec force = spec();
  force.workflow.force_reprocess = true;
  force.workflow.max_requests = 2;
  ASSERT_FALSE(run(force, endpoint).status);
  FakeEndpoint rest(good_answer);
  const RunOutcome outcome = run(spec(), rest);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(rest.requests(), 3) << "five in all, of which two were kept";
}

TEST_F(PipelineResumeTest, ACheckpointKeepsTheNameOfItsModel) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(first, endpoint).status);
  Spec second = spec();
  second.vlm.openai.model_name = "another";
  EXPECT_EQ(run(second, endpoint).report.counts.other_model, 4);
  EXPECT_EQ(run(second, endpoint).report.counts.other_model, 4) << "and once more";
}

TEST_F(PipelineResumeTest, WithoutAImageEachRecordHasItsOwnSize) {
  write_text(folder_ / "in.jsonl",
             R"({"image_path": "no.png", "caption": "a cat", "width": 100, "height": 100}
{"image_path": "no.png", "caption": "a dog", "width": 1000, "height": 800}
)");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  const RunOutcome outcome = run(text_only, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.counts.text_only, 2);
  EXPECT_EQ(records()[0]["width"], 100);
  EXPECT_EQ(records()[1]["width"], 1000);
  EXPECT_EQ(records()[1]["height"], 800);
}

TEST_F(PipelineResumeTest, AnUndecodableImageThatIsLeftOutIsCounted) {
  std::string damaged = tiny_png();
  damaged[45] = static_cast<char>(damaged[45] ^ 0x55);  // within the pixels
  write_text(folder_ / "d.png", damaged);
  write_text(folder_ / "in.jsonl", "{\"image_path\": \"d.png\", \"caption\": \"a cat\"}\n");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  text_only.vlm.max_image_side = 2;  // so that it has to be decoded
  const RunOutcome outcome = run(text_only, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.counts.text_only, 1);
  const int before = endpoint.requests();
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(endpoint.requests(), before) << "left out again: nothing new to ask";
  text_only.vlm.max_image_side = 0;  // its bytes can go as they are
  EXPECT_EQ(run(text_only, endpoint).report.counts.changed_images, 1);
  EXPECT_EQ(endpoint.requests(), before + 1);
}

// A wrong mount, fixed later: boxes that were guessed from the caption must not pass for labels.
TEST_F(PipelineResumeTest, BoxesGuessedWithoutTheImageAreAskedForAgainOnceItIsThere) {
  const std::string image = read_text(folder_ / "b.png");
  std::filesystem::remove(folder_ / "b.png");
  write_text(folder_ / "in.jsonl",
             R"({"image_path": "b.png", "caption": "a dog", "width": 4, "height": 4}
)");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  ASSERT_TRUE(run(text_only, endpoint).status);
  const int guessed = endpoint.requests();
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(endpoint.requests(), guessed) << "still missing, still allowed";

  Spec strict = spec();
  strict.workflow.max_failure_ratio = 1;
  const RunOutcome missing = run(strict, endpoint);
  EXPECT_EQ(missing.report.counts.records.failures_by_kind.at("image"), 1)
      << "a guess is no label here";
  EXPECT_EQ(records()[0]["error"]["step"], "1");
  EXPECT_EQ(endpoint.requests(), guessed);

  write_text(folder_ / "b.png", image);
  const RunOutcome there = run(text_only, endpoint);
  ASSERT_TRUE(there.status);
  EXPECT_EQ(endpoint.requests(), guessed + 1) << "its boxes";
  EXPECT_EQ(there.report.counts.changed_images, 1);
  EXPECT_THAT(there.report.warnings.front(), HasSubstr("could not be read then: asked again"));
  EXPECT_EQ(run(strict, endpoint).report.counts.changed_images, 0);
  EXPECT_EQ(endpoint.requests(), guessed + 1) << "once";
}

// A share that is mounted, then not: what is finished does not depend on its image any more.
TEST_F(PipelineResumeTest, AnImageThatComesAndGoesLeavesWhatItShowed) {
  const std::string image = read_text(folder_ / "b.png");
  std::filesystem::remove(folder_ / "b.png");
  write_text(folder_ / "in.jsonl", R"({"image_path": "b.png", "caption": "a dog"})");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  ASSERT_TRUE(run(text_only, endpoint).status);
  write_text(folder_ / "b.png", image);
  ASSERT_TRUE(run(text_only, endpoint).status);
  const std::string labels = output();
  EXPECT_NE(records()[0]["width"], 1920);
  const int before = endpoint.requests();
  std::filesystem::remove(folder_ / "b.png");
  for (const Spec& again : {text_only, spec()}) {
    const RunOutcome outcome = run(again, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.report.counts.records.done, 1);
    EXPECT_EQ(outcome.report.counts.text_only, 0);
    EXPECT_EQ(output(), labels);
    EXPECT_EQ(endpoint.requests(), before);
    const auto extracted =
        read_text(folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl");
    EXPECT_EQ(json::parse(extracted)["width"], records()[0]["width"]);
  }
}

TEST_F(PipelineResumeTest, AGuessForAnotherSizeIsMadeAgain) {
  const auto input = [&](int width) {
    write_text(
        folder_ / "in.jsonl",
        json{{"image_path", "no.png"}, {"caption", "a dog"}, {"width", width}, {"height", width}}
            .dump());
  };
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  input(100);
  ASSERT_TRUE(run(text_only, endpoint).status);
  input(640);
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(records()[0]["width"], 640);
  EXPECT_EQ(endpoint.requests(), 3) << "its boxes, not its expressions";
  text_only.workflow.steps = {Step::kExtraction};
  input(320);
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(records()[0]["width"], 320);
  EXPECT_EQ(endpoint.requests(), 3);
}

TEST_F(PipelineResumeTest, AnImageThatVanishesBeforeStepOneKeepsWhatStepZeroFound) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(first, endpoint).status);
  std::filesystem::remove(folder_ / "b.png");
  ASSERT_TRUE(run(spec(), endpoint).status);
  const json failed = records()[1];
  EXPECT_EQ(failed["error"]["step"], "1");
  EXPECT_EQ(failed["expressions"][0]["text"], "dog");
  EXPECT_EQ(failed["expressions"][0]["instances"], json::array());
}

TEST_F(PipelineResumeTest, OneImageByTwoSpellingsIsAskedOnce) {
  write_text(folder_ / "in.jsonl", R"({"image_path": "a.png", "caption": "a cat"}
{"image_path": ".//a.png", "caption": "a dog"}
)");
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.counts.images, 1);
  EXPECT_EQ(endpoint.requests(), 3) << "two captions, one image";
  const std::string path = records()[1]["image_path"];
  EXPECT_THAT(path, HasSubstr(".//a.png")) << "each record keeps its own spelling";
}

TEST_F(PipelineResumeTest, AReplacedImageIsGroundedAgain) {
  write_text(folder_ / "d.png", tiny_png());
  write_text(folder_ / "in.jsonl", R"({"image_path": "d.png", "caption": "a cat", "width": 4}
{"image_path": "a.png", "caption": "a dog"}
)");
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  std::string wider = tiny_png();
  wider[19] = 8;  // width in the header
  write_text(folder_ / "d.png", wider);
  const int before = endpoint.requests();
  Spec only_extraction = spec();
  only_extraction.workflow.steps = {Step::kExtraction};
  ASSERT_TRUE(run(only_extraction, endpoint).status);
  EXPECT_EQ(records()[0]["width"], 8);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(endpoint.requests() - before, 1) << "its boxes, not its expressions";
  EXPECT_EQ(outcome.report.counts.changed_images, 1);
  EXPECT_THAT(outcome.report.warnings.front(), HasSubstr("another size"));
  EXPECT_EQ(records()[0]["width"], 8);
  EXPECT_EQ(outcome.report.counts.from_checkpoint[Step::kGrounding], 1);
  EXPECT_EQ(run(spec(), endpoint).report.counts.changed_images, 0) << "done once";
  std::filesystem::remove(folder_ / "d.png");
  const RunOutcome gone = run(spec(), endpoint);
  EXPECT_EQ(gone.report.counts.records.done, 2)
      << "what is labelled stays, with or without its image";
  EXPECT_EQ(endpoint.requests() - before, 1);
}

TEST_F(PipelineResumeTest, AnotherFileOfTheSameSizeIsDoubted) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  EXPECT_EQ(run(spec(), endpoint).report.counts.replaced_images, 0);
  write_text(folder_ / "a.png", tiny_png() + " ");
  const RunOutcome outcome = run(spec(), endpoint);
  EXPECT_EQ(outcome.report.counts.replaced_images, 2) << "both records of the image";
  EXPECT_THAT(outcome.report.warnings.front(), HasSubstr("size in bytes differs"));
  EXPECT_EQ(endpoint.requests(), 5) << "an image that was merely saved again costs nothing";
}

TEST_F(PipelineResumeTest, ASecondRunCountsTheSameOddities) {
  write_text(folder_ / "in.jsonl",
             R"({"image_path": "a.png", "caption": "a cat", "width": 5, "height": 4}
{"image_path": "b.png", "caption": ""}
)");
  FakeEndpoint endpoint(good_answer);
  for (const char* time : {"first", "second"}) {
    const RunReport report = run(spec(), endpoint).report;
    EXPECT_EQ(report.counts.size_mismatches, 1) << time;
    EXPECT_EQ(report.counts.labels.empty_captions, 1) << time;
  }
}

TEST_F(PipelineResumeTest, TwoInputsInOneFolderByTurnsAreAskedOnce) {
  const std::string one = R"({"image_path": "a.png", "caption": "a cat"})";
  const std::string other = R"({"image_path": "a.png", "caption": "a dog"})";
  FakeEndpoint endpoint(good_answer);
  for (const std::string& input : {one, other, one, other}) {
    write_text(folder_ / "in.jsonl", input + "\n");
    ASSERT_TRUE(run(spec(), endpoint).status);
  }
  EXPECT_EQ(endpoint.requests(), 4);
}

TEST_F(PipelineResumeTest, AnotherSpellingOfTheImageRootAsksNothingAgain) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  Spec other = spec();
  other.data.image_root += "//.";
  ASSERT_TRUE(run(other, endpoint).status);
  EXPECT_EQ(endpoint.requests(), 5);
}

}  // namespace
}  // namespace alig
