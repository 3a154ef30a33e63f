#include "auto_label_image_grounding/evaluation/evaluation_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alig {
namespace {

using ::testing::HasSubstr;

TEST(EvaluationRecordTest, ReadsTruth) {
  const auto record = read_truth_record(
      R"({"image_path": "a.jpg", "caption": "c", "more": 1, "gt": [
          {"phrase": "p", "boxes": [[1, 2, 3.5, 4]], "span": [0, 1], "crowd_boxes": [[0, 0, 9, 9]]},
          {"phrase": "q", "boxes": [], "span": null}]})");
  ASSERT_TRUE(record) << record.error().message;
  ASSERT_EQ(record->phrases->size(), 2u);
  EXPECT_EQ(record->phrases->at(0).boxes[0], (EvaluationBox{1, 2, 3.5, 4}));
  EXPECT_EQ(record->phrases->at(0).span, (CharSpan{0, 1}));
  EXPECT_EQ(record->phrases->at(0).crowds.size(), 1u);
  EXPECT_FALSE(record->phrases->at(1).span);
  const auto unknown = read_truth_record(R"({"image_path": "a", "caption": "c", "gt": null})");
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->phrases);
}

TEST(EvaluationRecordTest, ComplaintsNameTheKey) {
  struct Case {
    const char* line;
    const char* complaint;
  };
  for (
      const Case& c : {
          Case{"[1]", "not a JSON object"},
          Case{"{", "not valid JSON: "},
          Case{R"({"image_path": 1e999})", "number overflow"},
          Case{R"({"image_path": "a", "caption": "c"})", "\"gt\" is missing"},
          Case{
              R"({"image_path": "a", "caption": "c", "gt": [{"phrase": "p", "boxes": [[50, 60, 20, 30]]}]})",
              "\"boxes\" holds [50,60,20,30], which is not [x1, y1, x2, y2]"},
          Case{
              R"({"image_path": "a", "caption": "c", "gt": [{"phrase": "p", "boxes": [[0, 60, 9, 30]]}]})",
              "is it [x, y, width, height]?"},
          Case{R"({"caption": "c"})", "\"image_path\" is missing"},
          Case{R"({"image_path": 1, "caption": "c"})", "\"image_path\" is not text"},
          Case{R"({"image_path": "a", "caption": "c", "gt": {}})", "\"gt\" is not a list"},
          Case{R"({"image_path": "a", "caption": "c", "gt": [1]})", "\"gt\" holds"},
          Case{R"({"image_path": "a", "caption": "c", "gt": [{"phrase": "p"}]})",
               "\"boxes\" is missing"},
          Case{R"({"image_path": "a", "caption": "c", "gt": [{"phrase": "p", "boxes": [[1, 2]]}]})",
               "\"boxes\" is not [x1, y1, x2, y2]"},
          Case{
              R"({"image_path": "a", "caption": "c", "gt": [{"phrase": "p", "boxes": [], "span": [1]}]})",
              "\"span\" is not [begin, end]"},
      }) {
    const auto record = read_truth_record(c.line);
    ASSERT_FALSE(record) << c.line;
    EXPECT_EQ(record.error().kind, ErrorKind::kData) << c.line;
    EXPECT_THAT(record.error().message, HasSubstr(c.complaint)) << c.line;
  }
  const auto no_boxes = read_predicted_record(
      R"({"image_path": "a", "caption": "c", "expressions": [{"text": "t"}]})");
  ASSERT_FALSE(no_boxes);
  EXPECT_THAT(no_boxes.error().message, HasSubstr("\"instances\" is missing"));
}

TEST(EvaluationRecordTest, ASpanOfTheTruthLiesInItsCaption) {
  const auto read = [](const std::string& span) {
    return read_truth_record(
        R"({"image_path": "a", "caption": "é猫", "gt": [{"phrase": "p", "boxes": [], "span": )" +
        span + "}]}");
  };
  for (const char* span : {"[0, 1]", "[0, 2]", "[1, 2]", "null"}) EXPECT_TRUE(read(span)) << span;
  for (const char* span : {"[-1,1]", "[1,1]", "[2,1]", "[0,3]", "[2,3]", "[0,18446744073709551615]",
                           "[18446744073709551615,1]"}) {
    const auto record = read(span);
    ASSERT_FALSE(record) << span;
    EXPECT_EQ(record.error().kind, ErrorKind::kData) << span;
    EXPECT_THAT(record.error().message, HasSubstr(std::string("\"span\" is ") + span +
                                                  " for \"p\", which is not [begin, "
                                                  "end] with 0 <= begin < end <= 2"));
  }
}

TEST(EvaluationRecordTest, ReadsAnnotations) {
  const auto record = read_predicted_record(
      R"({"image_path": "/d/a.jpg", "caption": "c", "cleaned_caption": "C.", "error": {"kind": "x", "message": "too large"},
          "expressions": [{"text": "t", "char_span": [0, 1], "instances":
          [{"bbox": [1, 2, 3, 4], "score": 0.5}]}]})");
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->failure, "too large");
  EXPECT_EQ(record->expressions.at(0).boxes.at(0), (EvaluationBox{1, 2, 3, 4}));
  EXPECT_EQ(record->expressions.at(0).scores.at(0), 0.5);
}

TEST(EvaluationRecordTest, AnErrorOfAnyFormIsAFailure) {
  struct Case {
    const char* error;
    std::optional<std::string> failure;
  };
  for (const Case& c : {Case{"null", std::nullopt}, Case{"\"timeout\"", "timeout"},
                        Case{R"({"message": "refused"})", "refused"},
                        Case{R"({"message": null})", R"({"message":null})"}, Case{"7", "7"}}) {
    const auto record = read_predicted_record(
        std::string(R"({"image_path": "a", "caption": "c", "expressions": [], "error": )") +
        c.error + "}");
    ASSERT_TRUE(record) << c.error << record.error().message;
    EXPECT_EQ(record->failure, c.failure) << c.error;
  }
}

}  // namespace
}  // namespace alig
