#include "auto_label_image_grounding/vlm/coordinates.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

TEST(CoordinatesTest, FamiliesByNameHoweverItIsSpelled) {
  struct Case {
    const char* model;
    const char* family;
    const char* convention;
  };
  for (const Case& c : {
           Case{"gemini-3.1-flash-lite-preview", "Gemini", "yxyx_1000"},
           Case{"google/gemini-2.5-pro", "Gemini", "yxyx_1000"},
           Case{"Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "Qwen2.5-VL", "pixel"},
           Case{"qwen2_5_vl-local", "Qwen2.5-VL", "pixel"},
           Case{"Qwen/Qwen2-VL-7B-Instruct", "Qwen2-VL", "xyxy_1000"},
           Case{"Qwen3-VL-235B-A22B-FP8", "Qwen3-VL and later", "xyxy_1000"},
           Case{"nvidia/cosmos-reason1-7b", "Cosmos-Reason1", "pixel"},
           Case{"nvidia/cosmos-reason2-8b", "Cosmos-Reason2", "xyxy_1000"},
           Case{"OpenGVLab/InternVL3-8B", "InternVL", "xyxy_1000"},
           Case{"google/gemma-4-27b-it", "Gemma", "yxyx_1000"},
           Case{"google/gemma-3-27b-it", "Gemma 3", "yxyx_1000"},
           Case{"allenai/Molmo-7B-D-0924", "Molmo", "xyxy_100"},
           Case{"gpt-5.2", "GPT", "pixel"},
           Case{"claude-sonnet", "Claude", "pixel"},
           Case{"grok-4", "Grok", "xyxy_100"},
           Case{"moonshotai/Kimi-K2.6", "Kimi", "yxyx_1000"},
           Case{"nvidia/nemotron-nano-12b-v2-vl", "Nemotron-VL", "xyxy_1000"},
           Case{"gpt-4o-vision", "GPT", "pixel"},
           Case{"AIDC-AI/Ovis2.5-9B", "Ovis", "xyxy_1"},
           Case{"AIDC-AI/Ovis1.6-Gemma2-9B", "Ovis", "xyxy_1"},
           Case{"locateanything-3b-on-qwen2.5-vl", "LocateAnything", "xyxy_1000"},
           Case{"demo-teacher", "unknown", "pixel"},
           Case{"", "unknown", "pixel"},
       }) {
    EXPECT_STREQ(family_of_model(c.model).name, c.family) << c.model;
    EXPECT_EQ(name_of(choose_coordinates("auto", c.model).convention), c.convention) << c.model;
  }
}

TEST(CoordinatesTest, ASettingOverrulesTheFamily) {
  for (const char* setting : {"pixel", "xyxy_1000", "yxyx_1000", "xyxy_1"}) {
    const CoordinateChoice choice = choose_coordinates(setting, "gemini-2.5-pro");
    EXPECT_EQ(name_of(choice.convention), setting);
    EXPECT_FALSE(choice.automatic);
  }
}

TEST(CoordinatesTest, ImagesAreSentOnTheGridOfTheFamily) {
  const CoordinateChoice qwen25 = choose_coordinates("auto", "Qwen2.5-VL-7B");
  EXPECT_EQ(size_to_send({640, 480}, qwen25, 0), (ImageSize{644, 476}));
  EXPECT_EQ(size_to_send({10, 10}, qwen25, 0), (ImageSize{56, 56}));
  EXPECT_EQ(size_to_send({42, 1400}, qwen25, 0), (ImageSize{56, 1400}))
      << "42 / 28 is halfway: rounded to even, as Python rounds";
  const ImageSize huge = size_to_send({8000, 6000}, qwen25, 0);
  EXPECT_EQ(huge, (ImageSize{4116, 3080}));
  EXPECT_LE(static_cast<double>(huge.width) * huge.height, 12845056);
  EXPECT_EQ(size_to_send({4000, 3000}, qwen25, 1000), (ImageSize{980, 756})) << "never up";
  const CoordinateChoice gpt = choose_coordinates("auto", "gpt-4o");
  EXPECT_EQ(size_to_send({4096, 1024}, gpt, 0), (ImageSize{2048, 512}));
  const CoordinateChoice gemini = choose_coordinates("auto", "gemini-3");
  EXPECT_EQ(size_to_send({8000, 6000}, gemini, 0), (ImageSize{8000, 6000}));
  EXPECT_EQ(size_to_send({8000, 6000}, gemini, 512), (ImageSize{512, 384}));
  EXPECT_EQ(size_to_send({100, 50}, gemini, 512), (ImageSize{100, 50})) << "never up";
  EXPECT_EQ(size_to_send({5000, 1}, gemini, 512), (ImageSize{512, 1}));
}

TEST(CoordinatesTest, ConvertsEveryForm) {
  parse::RawBox box;
  box.values = {256, 512, 768, 1024};
  box.form = parse::BoxForm::kLocation1024;
  EXPECT_EQ(to_upright_pixels(box, {AxisOrder::kXyxy, 1000}, {1, 1}, {400, 200}),
            (std::array<double, 4>{200, 50, 400, 150}));
  // Location tokens have a scale of their own, whatever was asked for.
  box.values = {249.5, 499.5, 749.5, 999.5};
  box.form = parse::BoxForm::kLocation1000;
  for (const CoordinateConvention& asked :
       {CoordinateConvention{AxisOrder::kXyxy, 0}, CoordinateConvention{AxisOrder::kYxyx, 999}}) {
    EXPECT_EQ(to_upright_pixels(box, asked, {40, 20}, {400, 200}),
              (std::array<double, 4>{100, 100, 300, 200}));
  }
  box.values = {8, 16, 24, 32};
  box.form = parse::BoxForm::kPatch32;
  EXPECT_EQ(to_upright_pixels(box, {AxisOrder::kYxyx, 1000}, {40, 20}, {400, 200}),
            (std::array<double, 4>{100, 100, 300, 200}));
  box.values = {0, 0.5, 1, 1};
  box.form = parse::BoxForm::kPositional;
  EXPECT_EQ(to_upright_pixels(box, {AxisOrder::kXyxy, 1}, {1, 1}, {400, 200}),
            (std::array<double, 4>{0, 100, 400, 200}));
}

TEST(CoordinatesTest, TheExampleFollowsTheConvention) {
  EXPECT_NE(describe({AxisOrder::kYxyx, 1000}, {640, 480}).find("[0, 250, 500, 750]"),
            std::string::npos);
  EXPECT_NE(describe({AxisOrder::kXyxy, 0}, {640, 480}).find("[160, 0, 480, 240]"),
            std::string::npos);
  EXPECT_NE(describe({AxisOrder::kXyxy, 1}, {640, 480}).find("[0.25, 0.00, 0.75, 0.50]"),
            std::string::npos);
}

}  // namespace
}  // namespace alig
