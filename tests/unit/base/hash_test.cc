#include "auto_label_image_grounding/base/hash.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

TEST(Sha256Test, KnownDigests) {
  // FIPS 180-4 examples.
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Test, PiecesAreTheWhole) {
  Sha256 hash;
  hash.add("a");
  hash.add("");
  hash.add("bc");
  EXPECT_EQ(hash.finish_hex(), sha256_hex("abc"));
}

TEST(FieldHasherTest, BordersOfFieldsCount) {
  EXPECT_NE(FieldHasher().add("ab").add("c").hex(), FieldHasher().add("a").add("bc").hex());
  EXPECT_NE(FieldHasher().add("").add("a").hex(), FieldHasher().add("a").hex());
}

}  // namespace
}  // namespace alig
