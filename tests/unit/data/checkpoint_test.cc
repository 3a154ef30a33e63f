#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/data/sample_name.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

const CheckpointHeader kHeader{"f00d", "some-model", "root/a.jpg", "A cat on 猫 \"mat\""};

ExtractionResult extraction() {
  return {
      "A cat.", {{"A cat", CharSpan{0, 5}, "cat"}, {"unseen", std::nullopt, ""}}, ImageSize{4, 3}};
}

TEST(CheckpointTest, ExtractionGoesThereAndBack) {
  const auto back = decode_extraction_checkpoint(encode_checkpoint(kHeader, extraction()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->header.fingerprint, kHeader.fingerprint);
  EXPECT_EQ(back->header.model, kHeader.model);
  EXPECT_EQ(back->header.caption, kHeader.caption);
  EXPECT_EQ(back->result.cleaned_caption, "A cat.");
  EXPECT_EQ(back->result.size, (ImageSize{4, 3}));
  ASSERT_EQ(back->result.expressions.size(), 2u);
  EXPECT_EQ(back->result.expressions[0].char_span, (CharSpan{0, 5}));
  EXPECT_EQ(back->result.expressions[0].noun_chunk, "cat");
  EXPECT_EQ(back->result.expressions[1].char_span, std::nullopt);
}

TEST(CheckpointTest, GroundingGoesThereAndBack) {
  const GroundingResult result{
      {{{{1, 2, 3, 3}, 0.9512}, {{0, 0, 4, 3}, 1.0}}, {}}, ImageSize{4, 3}, 5'000'000'000};
  const auto back = decode_grounding_checkpoint(encode_checkpoint(kHeader, {"A cat", "x"}, result));
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->result.instances.size(), 2u);
  ASSERT_EQ(back->result.instances[0].size(), 2u);
  EXPECT_EQ(back->result.instances[0][0].bbox, (BoundingBox{1, 2, 3, 3}));
  EXPECT_EQ(back->result.instances[0][0].score, 0.9512);
  EXPECT_TRUE(back->result.instances[1].empty());
  EXPECT_EQ(back->result.image_bytes, 5'000'000'000U);
  EXPECT_FALSE(back->result.text_only);
  const GroundingResult guessed{{}, ImageSize{4, 3}, 0, true};
  EXPECT_TRUE(
      decode_grounding_checkpoint(encode_checkpoint(kHeader, {}, guessed))->result.text_only);
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

TEST(CheckpointTest, ValuesThatNoStepWritesAreDamage) {
  const auto grounding = [](const std::string& size, const std::string& instance) {
    return R"({"image_path": "a", "caption": "c", )" + size +
           R"("groundings": [{"text": "x", "instances": [)" + instance + "]}]}";
  };
  const std::string size = R"("width": 40, "height": 30, )";
  const std::string good = R"({"bbox": [1, 2, 40, 30], "score": 1.0})";
  EXPECT_TRUE(decode_grounding_checkpoint(grounding(size, good)));
  EXPECT_TRUE(decode_grounding_checkpoint(grounding("", good)));
  for (const char* instance :
       {R"({"bbox": [1, 2, 41, 30], "score": 1})", R"({"bbox": [1, 2, 40, 31], "score": 1})",
        R"({"bbox": [-1, 2, 40, 30], "score": 1})", R"({"bbox": [5, 2, 5, 30], "score": 1})",
        R"({"bbox": [1, 9, 40, 8], "score": 1})", R"({"bbox": [1, 2, 1e300, 30], "score": 1})",
        R"({"bbox": [1, 2, 4294967298, 30], "score": 1})", R"({"bbox": [1, 2, 3], "score": 1})",
        R"({"bbox": [1, 2, 18446744073709551615, 4], "score": 1})",
        R"({"bbox": [1, 2, 3, 4], "score": 1.01})", R"({"bbox": [1, 2, 3, 4], "score": -0.1})",
        R"({"bbox": [1, 2, 3, 4], "score": null})", R"({"bbox": [1, 2, "3", 4], "score": 1})"}) {
    EXPECT_FALSE(decode_grounding_checkpoint(grounding(size, instance))) << instance;
  }
  for (const char* bad : {R"("width": 0, "height": 30, )", R"("width": 40, "height": -1, )",
                          R"("width": 1e300, "height": 30, )"}) {
    EXPECT_FALSE(decode_grounding_checkpoint(grounding(bad, good))) << bad;
  }
}

TEST(CheckpointTest, ASpanThatIsNoneIsLeftOut) {
  const auto span_of = [](const std::string& span) {
    return decode_extraction_checkpoint(
        R"({"image_path": "a", "caption": "c", "cleaned_caption": "a dog", "expressions": )"
        R"([{"text": "dog", "char_span": )" +
        span + "}]}");
  };
  const auto good = span_of("[2, 5]");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->result.expressions.at(0).char_span, (CharSpan{2, 5}));
  for (const char* span : {"[5, 2]", "[2, 2]", "[-1, 3]", "null"}) {
    const auto back = span_of(span);
    ASSERT_TRUE(back) << span << ": " << back.error().message;
    EXPECT_EQ(back->result.expressions.at(0).char_span, std::nullopt) << span;
  }
  for (const char* span : {"[1e300, 2]", "[-9223372036854775808, 3]", "[0]", "[\"a\", 3]"}) {
    EXPECT_FALSE(span_of(span)) << span;
  }
}

TEST(CheckpointTest, ATowerOfBracketsIsDamage) {
  constexpr std::size_t kLevels = 300'000;
  const std::string tower = std::string(kLevels, '[') + std::string(kLevels, ']');
  const std::string header = R"({"image_path": "a", "caption": "c", )";
  EXPECT_FALSE(decode_extraction_checkpoint(
      header + R"("cleaned_caption": "c", "expressions": [{"text": "a", "char_span": )" + tower +
      "}]}"));
  EXPECT_FALSE(decode_grounding_checkpoint(header + R"("groundings": )" + tower + "}"));
}

TEST(CheckpointTest, AnotherSpellingOfAPathIsTheSameSample) {
  const struct {
    const char *given, *plain;
  } kPaths[] = {
      {"a.jpg", "a.jpg"},         {"./a.jpg", "a.jpg"},       {"x//a.jpg", "x/a.jpg"},
      {"x/./a.jpg", "x/a.jpg"},   {"/x/a.jpg", "/x/a.jpg"},   {"//x/a.jpg", "/x/a.jpg"},
      {"/./x/a.jpg", "/x/a.jpg"}, {"../a.jpg", "../a.jpg"},   {"x/../a.jpg", "x/../a.jpg"},
      {".a/b.jpg", ".a/b.jpg"},   {"a./b..jpg", "a./b..jpg"}, {"", ""}};
  for (const auto& path : kPaths) {
    EXPECT_EQ(lexical_path(path.given), path.plain) << path.given;
    EXPECT_EQ(extraction_fingerprint({path.given, "c", ""}),
              extraction_fingerprint({path.plain, "c", ""}))
        << path.given;
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
