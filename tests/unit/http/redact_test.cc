#include "auto_label_image_grounding/http/redact.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

struct Case {
  const char* text;
  std::vector<std::string> secrets;
  const char* expected;
};

TEST(Redact, HidesKnownSecretsInAllTheirForms) {
  const Case cases[] = {
      {"nothing here", {"hunter2"}, "nothing here"},
      {"hunter2 and hunter2", {"hunter2"}, "*** and ***"},
      {"a hunter2", {"hunter2\n"}, "a ***"},
      {"x=p%2Bq%2fr&y", {"p+q/r"}, "x=p%2Bq%2fr&y"},  // mixed case: not used in practice
      {"x=p%2Bq%2Fr&y", {"p+q/r"}, "x=***&y"},
      {"x=p%2bq%2fr&y", {"p+q/r"}, "x=***&y"},
      {"abcdef abc", {"abc", "abcdef"}, "*** ***"},
      {"a * b", {"*"}, "a *** b"},
      {"text", {""}, "text"},
      {"text", {" \n"}, "text"},
  };
  for (const Case& c : cases) EXPECT_EQ(redact(c.text, c.secrets), c.expected) << c.text;
}

TEST(Redact, HidesTheCredentialsOfUrls) {
  const Case cases[] = {
      {"http://me:hunter2@host:8000/v1 does not answer",
       {},
       "http://***@host:8000/v1 does not answer"},
      {"https://token@host", {}, "https://***@host"},
      {"https://a:b@c@host/x@y", {}, "https://***@host/x@y"},
      {"two: http://a:b@h/, http://c:d@h/", {}, "two: http://***@h/, http://***@h/"},
      {"https://host/mail@example", {}, "https://host/mail@example"},
      {"https://host:8000/v1 me@example", {}, "https://host:8000/v1 me@example"},
  };
  for (const Case& c : cases) EXPECT_EQ(redact(c.text, c.secrets), c.expected) << c.text;
}

TEST(Redact, HidesWhatACutLeftOfASecret) {
  const Case cases[] = {
      {"the key zebra-quag… is wrong", {"zebra-quagga-77"}, "the key ***… is wrong"},
      {"\"zebra-quagga-7…\" (2 attempts)", {"zebra-quagga-77"}, "\"***…\" (2 attempts)"},
      {"the key zebra-qua", {"zebra-quagga-77"}, "the key ***"},
      {"zebra%2Fqua…", {"zebra/quagga"}, "***…"},
      {"okapi-1, zebra…", {"zebra-quagga", "okapi-12"}, "okapi-1, ***…"},
      {"a zebra crossing", {"zebra-quagga-77"}, "a zebra crossing"},
      {"not at the cut: zebra-quag, then…",
       {"zebra-quagga-77"},
       "not at the cut: zebra-quag, then…"},
      {"zeb…", {"zebra-quagga-77"}, "zeb…"},
  };
  for (const Case& c : cases) EXPECT_EQ(redact(c.text, c.secrets), c.expected) << c.text;
}

TEST(Redact, HidesWhatLooksLikeAKey) {
  const Case cases[] = {
      {"GET /v1?key=AbC-123&alt=sse", {}, "GET /v1?key=***&alt=sse"},
      {"api_key=abc, then", {}, "api_key=***, then"},
      {"{\"api_key\": \"abc\"}", {}, "{\"api_key\": \"***\"}"},
      {"x-goog-api-key: abc\r\nHost: h", {}, "x-goog-api-key: ***\r\nHost: h"},
      {"Authorization: Bearer abc.def-ghi", {}, "Authorization: Bearer ***"},
      {"authorization: basic dXNlcg==", {}, "authorization: basic ***"},
      {"Incorrect API key provided: sk-proj-abcdefghijklmnop. You",
       {},
       "Incorrect API key provided: *** You"},
      {"AIzaSyA1234567890abcdefghijklmnopqrstuvw", {}, "***"},
      {"nvapi-aaaaaaaaaaaaaaaaaaaa!", {}, "***!"},
      {"access_token='t0k3n'", {}, "access_token='***'"},
      {"monkey=banana", {}, "monkey=banana"},
      {"task-abcdefghijklmnopqrst", {}, "task-abcdefghijklmnopqrst"},
      {"sk-short", {}, "sk-short"},
      {"key=", {}, "key="},
      {"Bearer ", {}, "Bearer "},
      {"", {}, ""},
  };
  for (const Case& c : cases) EXPECT_EQ(redact(c.text, c.secrets), c.expected) << c.text;
}

TEST(Redact, IsLinearInTheText) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "key=";
  EXPECT_EQ(redact(text, {"a-long-secret-that-is-not-there"}), "key=***");
}

}  // namespace
}  // namespace alig
