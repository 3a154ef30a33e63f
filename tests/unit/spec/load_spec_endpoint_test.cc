// What a spec says of the endpoint: names of models, addresses, headers, API keys.
#include <map>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/spec/spec.h"
#include "tests/unit/spec/load_spec_support.h"

namespace alig {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(LoadSpecTest, GeminiModelsArePlainNames) {
  const std::pair<const char*, const char*> kCases[] = {
      {"gemini-x", "gemini-x"},
      {"models/gemini-x", "gemini-x"},
      {" /models/gemini-x/ ", "gemini-x"},
      {"publishers/google/models/gemini-x", "gemini-x"},
      {"tunedModels/x", "tunedModels/x"},
  };
  for (const auto& [given, plain] : kCases) {
    const Spec spec = good("", {fmt::format("image_grounding.vlm.gemini.model='{}'", given)});
    EXPECT_EQ(spec.vlm.gemini.model, plain) << given;
  }
  EXPECT_THAT(complaint("", {"image_grounding.vlm.gemini.model=' / '"}),
              HasSubstr("image_grounding.vlm.gemini.model must be set"));
}

TEST(LoadSpecTest, ExpressModeHasItsOwnPlaceAndMustBeAskedFor) {
  const auto place = [](const std::vector<std::string>& overrides) {
    return good("", overrides).vlm.gemini.base_url;
  };
  const std::string vertex = "image_grounding.vlm.gemini.vertex=true";
  EXPECT_EQ(place({vertex}), "https://aiplatform.googleapis.com");
  EXPECT_EQ(place({vertex, "image_grounding.vlm.gemini.base_url=http://here/v1beta1/"}),
            "http://here");
  ::setenv("GOOGLE_GENAI_USE_VERTEXAI", "true", 1);
  EXPECT_EQ(place({}), "https://generativelanguage.googleapis.com")
      << "a variable alone sends no key elsewhere";
  ::unsetenv("GOOGLE_GENAI_USE_VERTEXAI");
}

TEST(LoadSpecTest, ExtraHeaders) {
  const auto headers = [](const std::string& yaml, const std::vector<std::string>& overrides) {
    return good(yaml, overrides).vlm.openai.extra_headers;
  };
  const std::string key = "image_grounding.vlm.openai.extra_headers";
  using testing::Pair;
  ::setenv("ALIG_TEST_HEADER", "zebra", 1);
  EXPECT_THAT(headers("", {}), ElementsAre());
  EXPECT_THAT(headers("image_grounding: {vlm: {openai: {extra_headers: {api-key: abc}}}}",
                      {key + ".X-Other='1'"}),
              ElementsAre(Pair("api-key", "abc"), Pair("X-Other", "1")));
  EXPECT_THAT(
      headers("", {key + "={api-key: abc, Authorization: 'Bearer ${oc.env:ALIG_TEST_HEADER}'}"}),
      ElementsAre(Pair("api-key", "abc"), Pair("Authorization", "Bearer zebra")));
  EXPECT_THAT(headers("image_grounding: {vlm: {openai: {extra_headers: }}}", {}), ElementsAre());
}

TEST(LoadSpecTest, BadExtraHeadersAreNamedAndTheirValuesAreNot) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{Host: zebra}", "extra_headers.Host cannot be set"},
      {"{content-length: zebra}", "extra_headers.content-length cannot be set"},
      {"{Content-Type: zebra}", "extra_headers.Content-Type cannot be set"},
      {"{Transfer-Encoding: zebra}", "extra_headers.Transfer-Encoding cannot be set"},
      {"{X-A: \"zebra\\nX-B: c\"}", "extra_headers.X-A holds a line break"},
      {"{\"zebra: c\": d}", "extra_headers holds a name that no header can have"},
      {"{\"\": zebra}", "extra_headers holds a name that no header can have"},
      {"{X-A: 0123}", "\"X-A\" is none: put its value in quotes"},
      {"{X-A: [zebra]}", "\"X-A\" is none"},
      {"zebra", "image_grounding.vlm.openai.extra_headers must be a mapping, not ***"},
      {"{X-A: \"${zebra}\"}", "interpolation"},
  };
  for (const auto& [headers, said] : kCases) {
    const std::string message = complaint(
        fmt::format("image_grounding: {{vlm: {{openai: {{extra_headers: {}}}}}}}", headers));
    EXPECT_THAT(message, AllOf(HasSubstr("image_grounding.vlm.openai.extra_headers"),
                               HasSubstr(said), Not(HasSubstr("zebra"))));
  }
}

TEST(ResolveEnvironmentTest, KeysComeFromTheEnvironment) {
  std::map<std::string, std::string> environment;
  const auto getenv = [&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  };
  Spec spec = good("");
  const auto missing = resolve_environment(spec, getenv);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("GOOGLE_API_KEY"));
  environment["GEMINI_API_KEY"] = "second";
  ASSERT_TRUE(resolve_environment(spec, getenv));
  EXPECT_EQ(spec.vlm.gemini.api_key, "second");
  environment["GOOGLE_API_KEY"] = "first\n";
  spec.vlm.gemini.api_key.clear();
  ASSERT_TRUE(resolve_environment(spec, getenv));
  EXPECT_EQ(spec.vlm.gemini.api_key, "first");
  Spec openai = spec;
  openai.vlm.backend = Backend::kOpenAi;
  ASSERT_TRUE(resolve_environment(openai, getenv)) << "self-hosted servers need no key";
  openai.vlm.openai.api_key = " \n";
  environment["OPENAI_API_KEY"] = "third";
  ASSERT_TRUE(resolve_environment(openai, getenv));
  EXPECT_EQ(openai.vlm.openai.api_key, "third") << "blanks are no key";
}

TEST(LoadSpecTest, AKeyThatNoHeaderCanHoldIsRefusedByItsOrigin) {
  const auto complaint = [](Backend backend, std::string in_spec, const char* variable) {
    Spec spec;
    spec.vlm.backend = backend;
    (backend == Backend::kOpenAi ? spec.vlm.openai.api_key : spec.vlm.gemini.api_key) =
        std::move(in_spec);
    const auto getenv = [&](const char* name) -> const char* {
      return std::string_view(name) == variable ? "zebra-1\nzebra-2" : nullptr;
    };
    const auto status = resolve_environment(spec, getenv);
    return status ? "" : status.error().message;
  };
  EXPECT_THAT(complaint(Backend::kOpenAi, "", "OPENAI_API_KEY"),
              AllOf(HasSubstr("OPENAI_API_KEY holds a line break"), Not(HasSubstr("zebra"))));
  EXPECT_THAT(complaint(Backend::kGemini, "", "GEMINI_API_KEY"), HasSubstr("GEMINI_API_KEY holds"));
  EXPECT_THAT(
      complaint(Backend::kGemini, "zebra\t1", ""),
      AllOf(HasSubstr("image_grounding.vlm.gemini.api_key holds"), Not(HasSubstr("zebra"))));
  EXPECT_EQ(complaint(Backend::kOpenAi, "good", "OPENAI_API_KEY"), "") << "the spec's comes first";
}

}  // namespace
}  // namespace alig
