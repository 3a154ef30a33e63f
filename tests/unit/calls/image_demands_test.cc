#include "auto_label_image_grounding/calls/image_demands.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

VlmImage image(const char* type, std::uint64_t bytes = 1000, const char* converted_from = "") {
  VlmImage out;
  out.mime_type = type;
  out.encoded_bytes = bytes;
  out.converted_from = converted_from;
  return out;
}

TEST(ImageDemandsTest, TwoImagesTellOfTheirType) {
  ImageDemands demands;
  demands.on_accepted(image("image/jpeg", 1000, "image/webp"));
  EXPECT_TRUE(demands.allow(image("image/webp"))) << "one may be damaged itself";
  demands.on_accepted(image("image/jpeg", 1000, "image/webp"));
  EXPECT_FALSE(demands.allow(image("image/webp")));
  EXPECT_EQ(demands.take_news().size(), 1u);
}

TEST(ImageDemandsTest, ATypeThatWasTakenIsNotToBlame) {
  ImageDemands demands;
  demands.on_accepted(image("image/webp"));
  for (int i = 0; i < 5; ++i) demands.on_accepted(image("image/jpeg", 1000, "image/webp"));
  EXPECT_TRUE(demands.allow(image("image/webp")));
}

TEST(ImageDemandsTest, TheLimitIsFoundBetweenWhatWasTakenAndWhatWasRefused) {
  ImageDemands demands;
  EXPECT_TRUE(demands.on_too_large(image("image/jpeg", 1'000'000)));
  EXPECT_EQ(demands.facts().max_bytes, 500'000u);
  demands.on_accepted(image("image/jpeg", 400'000));
  EXPECT_TRUE(demands.on_too_large(image("image/jpeg", 500'000)));
  EXPECT_EQ(demands.facts().max_bytes, 400'000u);
  EXPECT_TRUE(demands.on_too_large(image("image/jpeg", 900'000))) << "was under way";
  EXPECT_EQ(demands.facts().max_bytes, 400'000u);
  EXPECT_FALSE(demands.on_too_large(image("image/jpeg", 10'000))) << "that cannot be the reason";
}

}  // namespace
}  // namespace alig
