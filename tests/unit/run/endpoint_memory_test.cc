#include "auto_label_image_grounding/run/endpoint_memory.h"

#include <gtest/gtest.h>

#include "auto_label_image_grounding/base/files.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;

class EndpointMemoryTest : public ::testing::Test {
 protected:
  EndpointMemoryTest() {
    VlmSpec spec;
    spec.backend = Backend::kOpenAi;
    spec.openai.model_name = "m";
    spec.openai.base_urls = {"http://a/v1", "http://me:secret@b/v1"};
    backends_ = make_backends(spec);
    EXPECT_TRUE(dir_.clean_temporaries());
    EndpointMemory known;
    known.facts.form.choose(RequestPart::kTemperature, 1);
    known.facts.form.choose(RequestPart::kTokenLimit, 1);
    known.facts.taken.insert({RequestPart::kSchema, 0, "grounding"});
    known.images = {{"image/png"}, {"image/webp"}, 5000};
    EXPECT_TRUE(remember_endpoints(dir_, backends_, {{}, known}, now_));
  }
  std::string file() { return read_text(dir_.state_dir() / "endpoints.json"); }

  TemporaryFolder folder_;
  ResultsDir dir_{folder_.path()};
  std::vector<std::unique_ptr<VlmBackend>> backends_;
  system_clock::time_point now_ = system_clock::time_point(hours(500000));
};

TEST_F(EndpointMemoryTest, WhatWasLearntIsKnownForADay) {
  const auto recalled = recall_endpoints(dir_, backends_, now_ + hours(23));
  ASSERT_EQ(recalled.size(), 2u);
  EXPECT_TRUE(recalled[0].facts.taken.empty()) << "it had answered nothing";
  EXPECT_EQ(recalled[1].facts.form[RequestPart::kTokenLimit], 1u);
  EXPECT_EQ(recalled[1].facts.taken.size(), 1u);
  EXPECT_EQ(recalled[1].images.refused, std::set<std::string>{"image/webp"});
  EXPECT_EQ(recalled[1].images.max_bytes, 5000u);
  for (const auto age : {hours(24), hours(-1)}) {
    EXPECT_TRUE(recall_endpoints(dir_, backends_, now_ + age)[1].facts.taken.empty());
  }
}

TEST_F(EndpointMemoryTest, AddressesAreNotWritten) {
  EXPECT_EQ(file().find("secret"), std::string::npos);
  EXPECT_EQ(file().find("http"), std::string::npos);
}

TEST_F(EndpointMemoryTest, ADamagedFileIsForgotten) {
  const std::string good = file();
  for (std::size_t length = 0; length < good.size(); length += 7) {
    write_text(dir_.state_dir() / "endpoints.json", good.substr(0, length));
    EXPECT_TRUE(recall_endpoints(dir_, backends_, now_)[1].facts.taken.empty()) << length;
  }
  for (const char* text : {"[]", "{}", "nonsense", "{\"x\": 1}"}) {
    write_text(dir_.state_dir() / "endpoints.json", text);
    EXPECT_TRUE(recall_endpoints(dir_, backends_, now_)[1].facts.taken.empty()) << text;
  }
}

TEST_F(EndpointMemoryTest, SaysWhatIsSentOtherwise) {
  const auto recalled = recall_endpoints(dir_, backends_, now_);
  EXPECT_EQ(sent_otherwise(*backends_[1], recalled[1].facts),
            (std::map<std::string, std::string>{{"max_tokens", "max_completion_tokens"},
                                                {"temperature", "left out"}}));
}

}  // namespace
}  // namespace alig
