#include "auto_label_image_grounding/steps/convention_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alig {
namespace {

using ::testing::HasSubstr;

constexpr CoordinateConvention kPixels{AxisOrder::kXyxy, 0};
constexpr CoordinateConvention kXyxy1000{AxisOrder::kXyxy, 1000};
constexpr CoordinateConvention kYxyx1000{AxisOrder::kYxyx, 1000};
constexpr CoordinateConvention kXyxy999{AxisOrder::kXyxy, 999};
constexpr CoordinateConvention kXyxy100{AxisOrder::kXyxy, 100};
constexpr CoordinateConvention kXyxy1{AxisOrder::kXyxy, 1};
constexpr CoordinateConvention kYxyxPixels{AxisOrder::kYxyx, 0};

// Boxes all over an image, relative to its sides: 64 of them, a quarter of the sides long.
std::vector<std::array<double, 4>> spread_boxes() {
  std::vector<std::array<double, 4>> out;
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      const double x = i * 0.75 / 7, y = j * 0.75 / 7;
      out.push_back({x, y, x + 0.25, y + 0.25});
    }
  }
  return out;
}

parse::RawBox written(const std::array<double, 4>& relative, const CoordinateConvention& convention,
                      const ImageSize& sent) {
  const double w = convention.range > 0 ? convention.range : sent.width;
  const double h = convention.range > 0 ? convention.range : sent.height;
  parse::RawBox box;
  box.values = {relative[0] * w, relative[1] * h, relative[2] * w, relative[3] * h};
  if (convention.order == AxisOrder::kYxyx) {
    box.values = {box.values[1], box.values[0], box.values[3], box.values[2]};
  }
  return box;
}

ConventionEvidence evidence_of(const std::vector<std::array<double, 4>>& boxes,
                               const CoordinateConvention& asked,
                               const CoordinateConvention& answered, const ImageSize& sent) {
  ConventionEvidence evidence;
  for (const auto& box : boxes) {
    add_evidence(written(box, answered, sent), asked, sent, evidence);
  }
  return evidence;
}

TEST(ConventionCheckTest, NamesTheConventionThatFitsBetter) {
  struct Case {
    CoordinateConvention asked;
    CoordinateConvention answered;
    ImageSize sent;
    std::optional<CoordinateConvention> better;  // none: no doubt
  };
  const ImageSize vga{640, 480}, photo{4000, 3000}, square{512, 512};
  for (const Case& c : {
           Case{kPixels, kPixels, vga, {}},
           Case{kPixels, kPixels, photo, {}},
           Case{kPixels, kPixels, {1100, 1100}, {}},
           Case{kXyxy1000, kXyxy1000, vga, {}},
           Case{kYxyx1000, kYxyx1000, photo, {}},
           Case{kXyxy999, kXyxy999, photo, {}},
           Case{kXyxy100, kXyxy100, vga, {}},
           Case{kXyxy1, kXyxy1, vga, {}},
           Case{kPixels, kXyxy1000, vga, kXyxy1000},
           Case{kPixels, kXyxy1000, photo, kXyxy1000},
           Case{kPixels, kXyxy1, vga, kXyxy1},
           Case{kPixels, kYxyxPixels, vga, kYxyxPixels},
           Case{kPixels, kYxyxPixels, photo, kYxyxPixels},
           Case{kXyxy1000, kPixels, vga, kPixels},
           Case{kYxyx1000, kPixels, photo, kPixels},
           Case{kXyxy1000, kPixels, square, kPixels},
           Case{kXyxy1000, kXyxy1, photo, kXyxy1},
           Case{kXyxy1000, kXyxy100, photo, kXyxy100},
           Case{kXyxy100, kXyxy1000, photo, kXyxy1000},
           Case{kXyxy1, kXyxy1000, photo, kXyxy1000},
           Case{kXyxy1, kPixels, photo, kPixels},
       }) {
    const auto evidence = evidence_of(spread_boxes(), c.asked, c.answered, c.sent);
    const auto doubt = doubt_convention(evidence, c.asked);
    const std::string name = name_of(c.asked) + " asked, " + name_of(c.answered) + " answered, " +
                             std::to_string(c.sent.width) + " wide";
    ASSERT_EQ(doubt.has_value(), c.better.has_value())
        << name << (doubt ? ": " + doubt->reason : "");
    if (!doubt) continue;
    ASSERT_TRUE(doubt->better) << name;
    EXPECT_EQ(name_of(*doubt->better), name_of(*c.better)) << name << ": " << doubt->reason;
  }
}

TEST(ConventionCheckTest, OddBoxesAreDoubtedWithoutABetterConvention) {
  const ImageSize sent{640, 480};
  std::vector<std::array<double, 4>> tiny, full;
  for (int i = 0; i < 30; ++i) {
    tiny.push_back({i / 30.0, i / 30.0, i / 30.0 + 0.005, i / 30.0 + 0.005});
    full.push_back({0, 0, 1, 1});
  }
  const auto tiny_doubt =
      doubt_convention(evidence_of(tiny, kXyxy1000, kXyxy1000, sent), kXyxy1000);
  ASSERT_TRUE(tiny_doubt);
  EXPECT_THAT(tiny_doubt->reason, HasSubstr("100 % of 30 boxes are tiny"));
  EXPECT_FALSE(tiny_doubt->better);
  const auto full_doubt =
      doubt_convention(evidence_of(full, kXyxy1000, kXyxy1000, sent), kXyxy1000);
  ASSERT_TRUE(full_doubt);
  EXPECT_THAT(full_doubt->reason, HasSubstr("cover the whole image"));
}

TEST(ConventionCheckTest, AFewBoxesProveNothing) {
  auto boxes = spread_boxes();
  boxes.resize(19);
  EXPECT_FALSE(doubt_convention(evidence_of(boxes, kXyxy1000, kXyxy1, {640, 480}), kXyxy1000));
}

TEST(ConventionCheckTest, ObjectsInTheMiddleOfTheImageAreNoDoubt) {
  const std::vector<std::array<double, 4>> middle(200, {0.2, 0.2, 0.8, 0.8});
  for (const int side : {640, 1000, 1200, 1400, 3000}) {
    const ImageSize sent{side, side};
    EXPECT_FALSE(doubt_convention(evidence_of(middle, kPixels, kPixels, sent), kPixels)) << side;
  }
}

TEST(ConventionCheckTest, FormsWithAScaleOfTheirOwnTellNothing) {
  parse::RawBox box;
  box.values = {5000, 5000, 6000, 6000};
  box.form = parse::BoxForm::kLocation1024;
  ConventionEvidence evidence;
  add_evidence(box, kPixels, {100, 100}, evidence);
  EXPECT_EQ(evidence.boxes, 0);
}

TEST(ConventionCheckTest, NamedAxesHaveNoOrder) {
  ConventionEvidence evidence;
  for (const auto& relative : spread_boxes()) {
    parse::RawBox box = written(relative, kPixels, {4000, 300});
    box.form = parse::BoxForm::kNamed;
    add_evidence(box, kYxyxPixels, {4000, 300}, evidence);
  }
  EXPECT_EQ(evidence.beyond_range, 0);
}

TEST(ConventionCheckTest, SumsUp) {
  const ImageSize sent{640, 480};
  ConventionEvidence one = evidence_of(spread_boxes(), kPixels, kXyxy1000, sent);
  ConventionEvidence sum = one;
  sum += one;
  EXPECT_EQ(sum.boxes, 2 * one.boxes);
  EXPECT_EQ(sum.beyond_range, 2 * one.beyond_range);
  EXPECT_EQ(doubt_convention(sum, kPixels)->better, doubt_convention(one, kPixels)->better);
}

TEST(ConventionCheckTest, SaysWhatToSet) {
  struct Case {
    std::optional<CoordinateConvention> better;
    const char* text;
  };
  for (const Case& c :
       {Case{kXyxy1000, "vlm.coordinates=xyxy_1000, or yxyx_1000"},
        Case{kPixels, "vlm.coordinates=pixel"}, Case{kXyxy1, "vlm.coordinates=xyxy_1."},
        Case{kXyxy100, "Numbers of 0 to 100 would fit better."},
        Case{{}, "Look at some results before you use them"}}) {
    EXPECT_THAT(describe({"because", c.better}, kYxyx1000), HasSubstr(c.text));
  }
}

}  // namespace
}  // namespace alig
