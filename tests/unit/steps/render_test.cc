#include "auto_label_image_grounding/steps/render.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

Sample sample(const char* line) { return read_input_sample(line, "root").value(); }

const ExtractionResult kExtraction{
    "A cat.", {{"A cat", CharSpan{0, 5}, "cat"}, {"it", std::nullopt, "it"}}, ImageSize{640, 480}};

TEST(RenderTest, ExtractionKeepsTheInputAndAddsWhatItFound) {
  IdCounter ids{7, 0};
  const Record record = render_extraction(
      sample(R"({"image_path": "a.jpg", "caption": "a cat", "extra": {"n": 1.50}})"), kExtraction,
      std::nullopt, ids);
  EXPECT_EQ(record.dump(),
            R"({"image_path": "root/a.jpg", "caption": "a cat", "extra": {"n": 1.50}, )"
            R"("image_id": "a", "width": 640, "height": 480, "cleaned_caption": "A cat.", )"
            R"("expressions": [{"text": "A cat", "instances": [], "expression_id": "expr_00007", )"
            R"("char_span": [0, 5], "noun_chunk": "cat"}, {"text": "it", "instances": [], )"
            R"("expression_id": "expr_00008", "char_span": null, "noun_chunk": "it"}], )"
            R"("source": "image_grounding", "pipeline_steps": ["step0_expression_extraction"]})");
  EXPECT_EQ(ids.next_expression, 9);
}

TEST(RenderTest, RightValuesKeepTheirSpelling) {
  IdCounter ids;
  const Record record = render_extraction(
      sample(
          R"({"image_id": 7, "width": 640.0, "height": 400, "image_path": "/a.jpg", "caption": "x", "pipeline_steps": ["earlier"]})"),
      kExtraction, std::nullopt, ids);
  EXPECT_EQ(*record.raw("image_id"), "7");
  EXPECT_EQ(*record.raw("width"), "640.0");
  EXPECT_EQ(*record.raw("height"), "480") << "the image wins";
  EXPECT_EQ(*record.raw("pipeline_steps"), R"(["earlier", "step0_expression_extraction"])");
}

TEST(RenderTest, GroundingAddsInstancesAndKeepsTheRest) {
  IdCounter ids{0, 3};
  const Record extracted =
      Record::parse(
          R"({"image_path": "a", "caption": "c", "expressions": [{"text": "A cat", "note": 2.0, "expression_id": "expr_00007"}, {"text": "new", "expression_id": "expr_00008"}], "pipeline_steps": ["step0_expression_extraction"]})")
          .value();
  const GroundingResult result{{{{{1, 2, 3, 4}, 0.95}}, {}}, std::nullopt};
  const Record record = render_grounding(extracted, result, std::nullopt, ids);
  EXPECT_EQ(record.dump(),
            R"({"image_path": "a", "caption": "c", "expressions": [{"text": "A cat", "note": 2.0, )"
            R"("expression_id": "expr_00007", "instances": [{"bbox": [1, 2, 3, 4], "score": 0.95, )"
            R"("bbox_score": 0.95, "bbox_id": "box_00003"}]}, {"text": "new", )"
            R"("expression_id": "expr_00008", "instances": []}], )"
            R"("pipeline_steps": ["step0_expression_extraction", "step1_grounding"]})");
}

TEST(RenderTest, FailedRecordsStayWithTheirError) {
  IdCounter ids;
  const RecordError error{Step::kExtraction, "refused", "declined \"x\"", 200, 1};
  const Record failed =
      render_extraction(sample(R"({"image_path": "a", "caption": "c"})"), {}, error, ids);
  EXPECT_EQ(*failed.raw("error"),
            R"({"step": "0", "kind": "refused", "message": "declined \"x\""})");
  EXPECT_EQ(*failed.raw("expressions"), "[]");
  EXPECT_EQ(render_grounding(failed, {}, std::nullopt, ids).dump(), failed.dump());

  const Record extracted =
      Record::parse(
          R"({"image_path": "a", "caption": "c", "expressions": [{"text": "x", "expression_id": "expr_00000"}]})")
          .value();
  const Record record =
      render_grounding(extracted, {}, RecordError{Step::kGrounding, "timeout", "late", 0, 6}, ids);
  EXPECT_EQ(*record.raw("expressions"),
            R"([{"text": "x", "expression_id": "expr_00000", "instances": []}])");
  EXPECT_EQ(*record.raw("error"), R"({"step": "1", "kind": "timeout", "message": "late"})");
}

}  // namespace
}  // namespace alig
