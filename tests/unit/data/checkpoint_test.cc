#include "auto_label_image_grounding/data/checkpoint.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

const CheckpointHeader kHeader{"f00d", "some-model", "root/a.jpg", "A cat on 猫 \"mat\""};

ExtractionResult extraction() {
  return {"A cat.",
          {{"A cat", CharSpan{0, 5}, "cat"}, {"unseen", std::nullopt, ""}},
          PictureSize{4, 3}};
}

TEST(CheckpointTest, ExtractionGoesThereAndBack) {
  const auto back = decode_extraction_checkpoint(encode_checkpoint(kHeader, extraction()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->header.fingerprint, kHeader.fingerprint);
  EXPECT_EQ(back->header.model, kHeader.model);
  EXPECT_EQ(back->header.caption, kHeader.caption);
  EXPECT_EQ(back->result.cleaned_caption, "A cat.");
  EXPECT_EQ(back->result.size, (PictureSize{4, 3}));
  ASSERT_EQ(back->result.expressions.size(), 2u);
  EXPECT_EQ(back->result.expressions[0].char_span, (CharSpan{0, 5}));
  EXPECT_EQ(back->result.expressions[0].noun_chunk, "cat");
  EXPECT_EQ(back->result.expressions[1].char_span, std::nullopt);
}

TEST(CheckpointTest, GroundingGoesThereAndBack) {
  const GroundingResult result{{{{{1, 2, 3, 4}, 0.9512}, {{0, 0, 4, 3}, 1.0}}, {}},
                               PictureSize{4, 3}};
  const auto back = decode_grounding_checkpoint(encode_checkpoint(kHeader, {"A cat", "x"}, result));
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->result.instances.size(), 2u);
  ASSERT_EQ(back->result.instances[0].size(), 2u);
  EXPECT_EQ(back->result.instances[0][0].bbox, (BoundingBox{1, 2, 3, 4}));
  EXPECT_EQ(back->result.instances[0][0].score, 0.9512);
  EXPECT_TRUE(back->result.instances[1].empty());
}

TEST(CheckpointTest, EveryPrefixIsDamaged) {
  const std::string text = encode_checkpoint(kHeader, extraction());
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    const auto back = decode_extraction_checkpoint(text.substr(0, i));
    ASSERT_FALSE(back) << i;
    EXPECT_EQ(back.error().kind, ErrorKind::kData);
  }
}

TEST(CheckpointTest, ForeignTextIsNoCheckpoint) {
  for (const char* text : {"", "null", "[]", "{}", "1", R"({"image_path": 1, "caption": "x"})",
                           R"({"image_path": "a", "caption": "x", "cleaned_caption": "y",
                               "expressions": [{"text": "z", "char_span": ["a"]}]})"}) {
    EXPECT_FALSE(decode_extraction_checkpoint(text)) << text;
    EXPECT_FALSE(decode_grounding_checkpoint(text)) << text;
  }
}

TEST(CheckpointTest, FingerprintsFollowTheInput) {
  const FingerprintInput input{"a.jpg", "cap", ""};
  const std::string base = extraction_fingerprint(input);
  EXPECT_EQ(base.size(), 32u);
  EXPECT_EQ(base, extraction_fingerprint(input));
  EXPECT_NE(base, extraction_fingerprint({"b.jpg", "cap", ""}));
  EXPECT_NE(base, extraction_fingerprint({"a.jpg", "cup", ""}));
  EXPECT_NE(base, extraction_fingerprint({"a.jpg", "cap", "prompt"}));
  const std::string grounding = grounding_fingerprint(input, {"x", "y"}, "auto");
  EXPECT_NE(base, grounding);
  EXPECT_NE(grounding, grounding_fingerprint(input, {"y", "x"}, "auto"));
  EXPECT_NE(grounding, grounding_fingerprint(input, {"x", "y"}, "pixel"));
}

}  // namespace
}  // namespace alig
