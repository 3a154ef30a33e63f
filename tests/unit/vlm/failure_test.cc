#include "auto_label_image_grounding/vlm/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alig {
namespace {

using ::testing::HasSubstr;

TEST(FailureTest, TheTransportsAdviceIsKept) {
  const TransportFault fault{TransportFault::Kind::kConnect, "no", ". Check it"};
  EXPECT_EQ(classify(tl::unexpected(fault), {}).advice, ". Check it");
  EXPECT_EQ(classify(HttpResponse{500, {}, ""}, {}).advice, "");
}

TEST(FailureTest, WhatIsTooLargeNamesTheKeyThatHelps) {
  for (const char* body : {"", "<html><title>413 Request Entity Too Large</title></html>"}) {
    EXPECT_THAT(classify(HttpResponse{413, {}, body}, {}).message,
                HasSubstr("image_grounding.vlm.max_image_side"));
  }
}

struct NamedCase {
  int status;
  const char* body;
  FailureKind kind;
  bool ends_run;
};

void check_named(const NamedCase& c) {
  const Failure failure = classify(HttpResponse{c.status, {}, c.body}, {});
  EXPECT_STREQ(name_of(failure.kind), name_of(c.kind)) << c.status << ' ' << c.body;
  EXPECT_EQ(failure.ends_run, c.ends_run) << c.status << ' ' << c.body;
}

TEST(FailureTest, NamesCountWhateverTheStatusAndThePlace) {
  const NamedCase kCases[] = {
      // LiteLLM
      {400, R"({"error":{"message":"m","type":"budget_exceeded","code":"400"}})",
       FailureKind::kQuota, true},
      {422, R"({"error":{"message":"m","type":"budget_exceeded"}})", FailureKind::kQuota, true},
      {429, R"({"error":{"message":"m","type":"Budget_Exceeded"}})", FailureKind::kQuota, true},
      {400, R"({"error":{"message":"m","code":"budget_exceeded"}})", FailureKind::kQuota, true},
      {500, R"({"error":{"message":"m","type":"budget_exceeded"}})", FailureKind::kQuota, true},
      {400, R"({"error":{"message":"No connected db.","type":"no_db_connection","code":"400"}})",
       FailureKind::kAuth, true},
      {503, R"({"error":{"message":"m","type":"no_db_connection"}})", FailureKind::kServer, false},
      {400, R"({"error":{"message":"m","type":"expired_key"}})", FailureKind::kAuth, true},
      {401, R"({"error":{"message":"m","type":"key_model_access_denied"}})", FailureKind::kModel,
       true},
      // Places
      {400, R"({"detail":{"error":{"message":"m","code":"invalid_api_key"}}})", FailureKind::kAuth,
       true},
      {400, R"({"detail":{"code":"model_not_found"}})", FailureKind::kModel, true},
      {400, R"({"errors":[{"message":"m","code":"insufficient_quota"}]})", FailureKind::kQuota,
       true},
      {400, R"({"error":{"message":"m"},"code":"insufficient_quota"})", FailureKind::kQuota, true},
      {400, R"({"error":"m","code":"model_not_found"})", FailureKind::kModel, true},
      // No names
      {400, R"({"error":{"message":"budget_exceeded"}})", FailureKind::kClient, false},
      {500, R"({"error":{"message":"invalid api key"}})", FailureKind::kServer, false},
      {200, R"({"error":{"code":"invalid_api_key"}})", FailureKind::kNone, false},
  };
  for (const NamedCase& c : kCases) check_named(c);
}

TEST(FailureTest, PhrasesCountAtTheBeginningAndBehindGateways) {
  const NamedCase kCases[] = {
      {400, R"({"error":{"message":"/chat/completions: Invalid model name passed in model=x",
               "type":"invalid_request_error","code":"400"}})",
       FailureKind::kModel, true},
      {400, R"({"error":{"message":"/v1/messages: Invalid model name passed in model=x"}})",
       FailureKind::kModel, true},
      {400,
       R"({"error":{"message":"{'error': '/chat/completions: Invalid model name passed in model=x.'}"}})",
       FailureKind::kModel, true},
      {400,
       R"({"error":{"message":"400: {'error': '/chat/completions: Invalid model name passed'}"}})",
       FailureKind::kModel, true},
      {404,
       R"({"error":{"message":"litellm.NotFoundError: OpenAIException - The model `x` does not exist"}})",
       FailureKind::kModel, true},
      {422, R"({"detail":{"error":"/chat/completions: Invalid model name passed in model=x"}})",
       FailureKind::kModel, true},
      {400, R"({"error":{"message":"Invalid model name passed in model=x"}})", FailureKind::kModel,
       true},
      // A caption in a complaint
      {400, R"({"error":{"message":"Invalid prompt: invalid model name on a sign"}})",
       FailureKind::kClient, false},
      {400, R"({"error":{"message":"prompt: invalid api key on a screen"}})", FailureKind::kClient,
       false},
      {400, R"({"error":{"message":"'/x: invalid api key' cannot be grounded"}})",
       FailureKind::kClient, false},
      {400, R"({"error":{"message":"a sign / : invalid api key"}})", FailureKind::kClient, false},
      {429, R"({"error":{"message":"/chat/completions: insufficient credits"}})",
       FailureKind::kRateLimited, false},
      {400, R"({"error":{"message":"/chat/completions:"}})", FailureKind::kClient, false},
      {400, R"({"error":{"message":"/a: /b: 400: "}})", FailureKind::kClient, false},
  };
  for (const NamedCase& c : kCases) check_named(c);
}

}  // namespace
}  // namespace alig
