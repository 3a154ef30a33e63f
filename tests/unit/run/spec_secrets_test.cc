#include "auto_label_image_grounding/run/spec_secrets.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace alig {
namespace {

TEST(SpecSecretsTest, ApiKeysAndWhatExtraBodyHoldsUnderNamesThatTell) {
  Spec spec;
  EXPECT_THAT(secrets_of(spec), testing::IsEmpty());
  spec.vlm.openai.api_key = "sk-1";
  spec.vlm.openai.extra_body = std::make_shared<nlohmann::ordered_json>(
      nlohmann::ordered_json{{"password", "open sesame"},
                             {"clientSecret", {{"value", "s3cr"}}},
                             {"x-api-key", {"list of one"}},
                             {"metadata", {{"token", "abcdefg1"}, {"session_token", "short"}}},
                             {"auth", "Bearer abc12345"},
                             {"stop_token", "</s>"},
                             {"max_tokens", 12345678},
                             {"chat_template", "a text with 8 letters and digits"},
                             {"passphrase", "ab"}});
  EXPECT_THAT(secrets_of(spec),
              testing::UnorderedElementsAre("sk-1", "open sesame", "s3cr", "list of one",
                                            "abcdefg1", "Bearer abc12345"));
}

TEST(SpecSecretsTest, EveryValueOfAHeader) {
  Spec spec;
  spec.vlm.openai.extra_headers = {{"api-key", "abc"},
                                   {"Authorization", "Bearer t0ken"},
                                   {"X-Empty", " "},
                                   {"X-Version", "7"},
                                   {"X-Note", "a b"}};
  EXPECT_THAT(secrets_of(spec),
              testing::UnorderedElementsAre("abc", "Bearer t0ken", "t0ken", "a b"));
}

}  // namespace
}  // namespace alig
