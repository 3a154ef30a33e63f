#include "auto_label_image_grounding/evaluation/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/evaluation/evaluation_report.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json truth(const std::string& path, const std::string& caption, const json& boxes) {
  return {
      {"image_path", path}, {"caption", caption}, {"gt", {{{"phrase", "it"}, {"boxes", boxes}}}}};
}

json annotation(const std::string& path, const std::string& caption, const json& boxes) {
  json instances = json::array();
  for (const json& box : boxes) instances.push_back({{"bbox", box}, {"score", 0.9}});
  return {{"image_path", path},
          {"caption", caption},
          {"cleaned_caption", caption},
          {"expressions", {{{"text", "it"}, {"char_span", nullptr}, {"instances", instances}}}}};
}

class EvaluateTest : public ::testing::Test {
 protected:
  Result<Evaluation> judge(const std::vector<json>& truths, const std::vector<json>& annotations) {
    write_lines("truth.jsonl", truths);
    write_lines("annotations.jsonl", annotations);
    return evaluate(folder_ / "annotations.jsonl", folder_ / "truth.jsonl", 2);
  }
  void write_lines(const std::string& name, const std::vector<json>& lines) {
    std::string text;
    for (const json& line : lines) text += line.dump() + "\n";
    write_text(folder_ / name, text);
  }
  TemporaryFolder folder_;
};

const json kBox = {{0, 0, 10, 10}};
const json kHalf = {{0, 0, 10, 5}};
const json kNothing = json::array();

TEST_F(EvaluateTest, CountsByHand) {
  // Four boxes of truth: IoU 1, 0.5, a miss, and one in a record without annotation.
  const auto out = judge({truth("a", "1", kBox),
                          truth("b", "2", kBox),
                          truth("c", "3", kBox),
                          {{"image_path", "d"}, {"caption", "4"}, {"gt", nullptr}},
                          truth("e", "5", kBox)},
                         {annotation("/r/a", "1", kBox), annotation("/r/b", "2", kHalf),
                          annotation("/r/c", "3", kNothing), annotation("/r/d", "4", kBox)});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(out->records, 5);
  EXPECT_EQ(out->without_truth, 1);
  EXPECT_EQ(out->missing, 1);
  EXPECT_EQ(out->extra, 0);
  EXPECT_TRUE(out->in_order);
  EXPECT_EQ(out->phrases, 4);
  EXPECT_EQ(out->missed_phrases, 1);
  EXPECT_EQ(out->truth_boxes, 4);
  EXPECT_EQ(out->predicted_boxes, 2);
  EXPECT_DOUBLE_EQ(out->recall_at(0), 0.5);
  EXPECT_DOUBLE_EQ(out->recall_at(1), 0.25);
  EXPECT_DOUBLE_EQ(out->precision_at(0), 1);
  EXPECT_DOUBLE_EQ(out->precision_at(2), 0.5);
  EXPECT_DOUBLE_EQ(out->mean_iou(), 1.5 / 4);
  EXPECT_DOUBLE_EQ(out->mean_matched_iou(), 0.75);
  EXPECT_DOUBLE_EQ(out->pointing_accuracy(), 0.5);
  EXPECT_EQ(out->null_spans, 4);
  ASSERT_EQ(out->worst.size(), 2u);
  EXPECT_EQ(out->worst[0].image_path, "c");
  EXPECT_EQ(out->worst[1].image_path, "e");
  EXPECT_EQ(out->worst[1].predicted_line, 0u);
  EXPECT_TRUE(out->has_problems());
  EXPECT_THAT(out->problems.at(0), HasSubstr("line 5 of the truth (e): no annotation"));
}

TEST_F(EvaluateTest, AnotherOrderIsFoundAllTheSame) {
  const auto out =
      judge({truth("x/a", "1", kBox), truth("y/a", "1", kHalf), truth("x/a", "2", kBox)},
            {annotation("/r/x/a", "2", kBox), annotation("/r/z/a", "1", kNothing),
             annotation("/r/y/a", "1", kHalf), annotation("/r/x/a", "1", kBox)});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_DOUBLE_EQ(out->mean_iou(), 1);
  EXPECT_FALSE(out->in_order);
  EXPECT_EQ(out->extra, 1);
  EXPECT_EQ(out->missing, 0);
}

TEST_F(EvaluateTest, MissingAndExtraRecordsAreNoOtherOrder) {
  const auto missing = judge({truth("a", "1", kBox), truth("b", "2", kBox), truth("c", "3", kBox)},
                             {annotation("a", "1", kBox), annotation("c", "3", kBox)});
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->missing, 1);
  EXPECT_TRUE(missing->in_order);
  EXPECT_EQ(missing->problems, std::vector<std::string>{"line 2 of the truth (b): no annotation"});
  const auto extra =
      judge({truth("a", "1", kBox), truth("c", "3", kBox)},
            {annotation("a", "1", kBox), annotation("b", "2", kBox), annotation("c", "3", kBox)});
  ASSERT_TRUE(extra);
  EXPECT_TRUE(extra->in_order);
  EXPECT_EQ(extra->problems, std::vector<std::string>{"1 annotation without truth"});
  EXPECT_TRUE(extra->has_problems());
  const auto swapped = judge({truth("a", "1", kBox), truth("b", "2", kBox), truth("c", "3", kBox)},
                             {annotation("c", "3", kBox), annotation("b", "2", kBox)});
  ASSERT_TRUE(swapped);
  EXPECT_FALSE(swapped->in_order);
}

TEST_F(EvaluateTest, EqualRecordsHaveAnAnnotationEach) {
  const std::vector<json> twice = {truth("a", "1", kBox), truth("a", "1", kBox)};
  const auto good = judge(twice, {annotation("a", "1", kBox), annotation("a", "1", kBox)});
  ASSERT_TRUE(good);
  EXPECT_FALSE(good->has_problems());
  const auto one = judge(twice, {annotation("b", "0", kBox), annotation("a", "1", kBox)});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->missing, 1);
  EXPECT_EQ(one->extra, 1);
}

TEST_F(EvaluateTest, TheShortestPathThatFitsIsMeant) {
  // /r/x/a ends in "a" too, and comes first.
  const auto out =
      judge({truth("b", "1", kNothing), truth("a", "1", kHalf), truth("x/a", "1", kBox)},
            {annotation("/r/x/a", "1", kBox), annotation("/r/a", "1", kHalf),
             annotation("/r/b", "1", kNothing)});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->missing, 0);
  EXPECT_DOUBLE_EQ(out->mean_iou(), 1);
}

TEST_F(EvaluateTest, PathsOfAnyDepthAreFound) {
  for (const char* path : {"a", "/a", "w/a", "v/w/a", "u/v/w/a", "t/u/v/w/a", "/t/u/v/w/a"}) {
    const auto out = judge({truth("other", "1", kNothing), truth(path, "1", kBox)},
                           {annotation(path, "1", kBox), annotation("other", "1", kNothing)});
    ASSERT_TRUE(out) << path;
    EXPECT_EQ(out->missing, 0) << path;
    const std::string resolved = path[0] == '/' ? path : std::string("/root/") + path;
    const auto below = judge({truth("other", "1", kNothing), truth(path, "1", kBox)},
                             {annotation(resolved, "1", kBox), annotation("other", "1", kNothing)});
    ASSERT_TRUE(below) << resolved;
    EXPECT_EQ(below->missing, 0) << resolved;
  }
}

TEST_F(EvaluateTest, FailedRecordsAreNamedAndMissed) {
  json failed = annotation("/r/a", "1", kNothing);
  failed["expressions"] = json::array();
  failed["error"] = {{"step", "1"}, {"kind", "image"}, {"message", "the image is damaged"}};
  const auto out = judge({truth("a", "1", kBox)}, {failed});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->failed, 1);
  EXPECT_EQ(out->missed_phrases, 1);
  EXPECT_DOUBLE_EQ(out->mean_iou(), 0);
  EXPECT_THAT(out->problems.at(0),
              HasSubstr("line 1 of the annotations (a): failed: the image is damaged"));
  EXPECT_FALSE(out->has_problems()) << "it does not claim any label";
}

TEST_F(EvaluateTest, ManyProblemsAreCounted) {
  const auto out = judge(std::vector<json>(25, truth("a", "1", kBox)), {});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->problems.size(), 20u);
  EXPECT_EQ(out->unlisted_problems, 5);
  EXPECT_THAT(to_text(*out), HasSubstr("and 5 more problems"));
  const auto one = judge(std::vector<json>(21, truth("a", "1", kBox)), {});
  ASSERT_TRUE(one);
  EXPECT_THAT(to_text(*one), HasSubstr("and 1 more problem\n"));
}

TEST_F(EvaluateTest, SharesOfSpansByHand) {
  // "it" is at [0, 2]: one true span, one false, one null, one as in the truth of two.
  json known = truth("a", "it", kBox), other = truth("b", "it", kBox);
  known["gt"][0]["span"] = other["gt"][0]["span"] = {0, 2};
  json right = annotation("a", "it", kBox), wrong = annotation("b", "it", kBox);
  right["expressions"][0]["char_span"] = {0, 2};
  wrong["expressions"][0]["char_span"] = {1, 2};
  const auto out =
      judge({known, other, truth("c", "it", kBox)}, {right, wrong, annotation("c", "it", kBox)});
  ASSERT_TRUE(out);
  EXPECT_DOUBLE_EQ(out->true_span_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(out->null_span_ratio(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(out->span_agreement(), 0.5);
  EXPECT_TRUE(out->has_problems());
}

TEST_F(EvaluateTest, APathIsComparedByWholeFolders) {
  const auto out = judge({truth("a.jpg", "1", kBox)}, {annotation("/r/ba.jpg", "1", kBox)});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->missing, 1);
}

TEST_F(EvaluateTest, ErrorsNameFileAndLine) {
  write_text(folder_ / "truth.jsonl", "\n{\"image_path\": \"a\"}\n");
  write_text(folder_ / "annotations.jsonl", "");
  const auto bad = evaluate(folder_ / "annotations.jsonl", folder_ / "truth.jsonl", 1);
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("truth.jsonl:2: \"caption\" is missing"));
  json impossible = truth("a", "ab", kBox);
  impossible["gt"][0]["span"] = {1, 3};
  write_lines("truth.jsonl", {truth("a", "ab", kBox), impossible});
  const auto span = evaluate(folder_ / "annotations.jsonl", folder_ / "truth.jsonl", 1);
  ASSERT_FALSE(span);
  EXPECT_THAT(span.error().message, HasSubstr("truth.jsonl:2: \"span\" is [1,3] for \"it\""));
  const auto missing = evaluate(folder_ / "nowhere.jsonl", folder_ / "truth.jsonl", 1);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
}

TEST_F(EvaluateTest, NothingToJudgeIsNoDivisionByZero) {
  const auto out = judge({}, {});
  ASSERT_TRUE(out);
  EXPECT_EQ(nlohmann::json::parse(to_json_text(*out))["mean_iou"], 0);
  EXPECT_FALSE(to_text(*out).empty());
}

TEST_F(EvaluateTest, TextAndJsonSayTheSame) {
  const auto out = judge({truth("a", "1", kBox)}, {annotation("a", "1", kHalf)});
  ASSERT_TRUE(out);
  const auto data = nlohmann::json::parse(to_json_text(*out));
  EXPECT_EQ(data["mean_iou"], 0.5);
  EXPECT_EQ(data["recall"]["0.5"], 1);
  EXPECT_EQ(data["recall"]["0.75"], 0);
  EXPECT_EQ(data["worst"][0]["phrase"], "it");
  EXPECT_EQ(data["worst"][0]["truth_boxes"], kBox);
  EXPECT_EQ(data["worst"][0]["predicted_boxes"], kHalf);
  EXPECT_THAT(to_text(*out), HasSubstr("0.5                1.0000  1.0000"));
  EXPECT_THAT(to_text(*out), HasSubstr("1.0000 of 1 phrase\n"));
  EXPECT_THAT(
      to_text(*out),
      HasSubstr("0.5000  a:1  \"it\"\n          truth [0, 0, 10, 10]; predicted [0, 0, 10, 5]\n"));
}

}  // namespace
}  // namespace alig
