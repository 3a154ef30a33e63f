#include "auto_label_image_grounding/base/json_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace alig {
namespace {

TEST(JsonTextTest, MembersOfWhateverItIs) {
  const nlohmann::json object = {{"text", "a"}, {"number", 1}, {"null", nullptr}};
  EXPECT_EQ(text_at(object, "text"), "a");
  EXPECT_EQ(member(object, "number"), 1);
  for (const char* key : {"number", "null", "absent"}) EXPECT_EQ(text_at(object, key), "") << key;
  for (const auto& other : {nlohmann::json(), nlohmann::json::array({"text"}), nlohmann::json(1)}) {
    EXPECT_TRUE(member(other, "text").is_null()) << other;
  }
}

}  // namespace
}  // namespace alig
