// A whole run against a transport that answers from memory: no network, no curl.
#pragma once

#include "auto_label_image_grounding/run/pipeline.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/results/results_dir.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig {

using nlohmann::json;
using ::testing::HasSubstr;

// An 8-bit grey PNG of 4x4 pixels.
inline std::string tiny_png() {
  constexpr unsigned char kBytes[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
      0x44, 0x52, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x08, 0x00, 0x00, 0x00,
      0x00, 0x8c, 0x9a, 0xc1, 0xa2, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78,
      0x9c, 0x63, 0x60, 0xc0, 0x04, 0x00, 0x00, 0x14, 0x00, 0x01, 0x7d, 0xfe, 0x1e, 0xee,
      0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

// Answers on a separate thread, like a real transport. Counts the requests.
class FakeEndpoint {
 public:
  // Prompt -> outcome; called under a lock, so `script` needs none.
  using Script = std::function<HttpOutcome(const std::string& prompt)>;
  explicit FakeEndpoint(Script script) : script_(std::move(script)) {}

  HttpOutcome answer(const HttpRequest& request) {
    std::string text;
    for (const BodyPart& part : request.body) {
      if (const auto* piece = std::get_if<std::string>(&part)) text += *piece;
    }
    std::unique_lock lock(mutex_);
    ++requests_;
    arrived_.notify_all();
    arrived_.wait(lock, [this] { return requests_ >= answers_from_; });
    const json body = json::parse(text);
    return script_(body.at("messages").at(0).at("content").back().at("text").get<std::string>());
  }
  int requests() const { return requests_; }
  // Answers nothing until so many requests are there.
  void wait_for(int requests) { answers_from_ = requests; }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  int answers_from_ = 0;
  Script script_;
  std::atomic<int> requests_{0};
};

class FakeTransport final : public HttpTransport {
 public:
  explicit FakeTransport(FakeEndpoint& endpoint) : endpoint_(endpoint) {}
  ~FakeTransport() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void send(HttpRequest request, Done done) override {
    threads_.emplace_back([this, request = std::move(request), done = std::move(done)] {
      done(endpoint_.answer(request));
    });
  }
  void cancel_all() override {}

 private:
  FakeEndpoint& endpoint_;
  std::vector<std::thread> threads_;
};

inline HttpOutcome reply(const std::string& content, const char* finish = "stop") {
  HttpResponse response;
  response.status = 200;
  response.body =
      json{{"choices", {{{"finish_reason", finish}, {"message", {{"content", content}}}}}},
           {"usage", {{"prompt_tokens", 10}, {"completion_tokens", 5}}}}
          .dump();
  return response;
}

inline HttpOutcome status(int code, const char* body = "") {
  HttpResponse response;
  response.status = code;
  response.body = body;
  return response;
}

inline std::string line_of(const std::string& prompt, const std::string& begin) {
  const std::size_t at = prompt.find("\n" + begin);
  if (at == std::string::npos) return "";
  const std::size_t from = at + 1 + begin.size();
  return prompt.substr(from, prompt.find('\n', from) - from);
}

// Finds the words "cat" and "dog" of a caption, and a box for each.
inline HttpOutcome good_answer(const std::string& prompt) {
  if (const std::string caption = line_of(prompt, "Caption: "); !caption.empty()) {
    json expressions = json::array();
    for (const char* word : {"cat", "dog"}) {
      if (caption.find(word) != std::string::npos) expressions.push_back({{"text", word}});
    }
    return reply(
        json{{"cleaned_caption", json::parse(caption)}, {"expressions", expressions}}.dump());
  }
  json groundings = json::array();
  for (const json& asked : json::parse(line_of(prompt, "Expressions: "))) {
    const json box = asked["text"] == "cat" ? json{0, 0, 2, 2} : json{1, 1, 4, 4};
    groundings.push_back({{"id", asked["id"]},
                          {"text", asked["text"]},
                          {"instances", {{{"bbox", box}, {"score", 0.75}}}}});
  }
  return reply(json{{"groundings", groundings}}.dump());
}

class QuietLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view text) override {
    if (text.find("No new requests") != std::string_view::npos) ending_.set_value();
  }
  // Returns when a run has announced its end and only waits for requests in flight.
  bool wait_for_ending() {
    return ending_.get_future().wait_for(std::chrono::seconds(5)) == std::future_status::ready;
  }

 private:
  std::promise<void> ending_;
};

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a.png", "b.png", "c.png"}) write_text(folder_ / name, tiny_png());
    write_text(folder_ / "in.jsonl", R"({"image_path": "a.png", "caption": "a cat", "n": 1.50}
{"image_path": "b.png", "caption": "a dog"}
{"image_path": "a.png", "caption": "a cat and a dog"}
{"image_path": "c.png", "caption": ""}
)");
  }
  Spec spec(const std::string& results = "out") {
    auto loaded = load_spec(
        {"results_dir: ???", "test"},
        {"results_dir=" + (folder_ / results).string(), "image_grounding.vlm.backend=openai",
         "image_grounding.vlm.openai.base_url=http://fake/v1",
         "image_grounding.vlm.openai.model_name=fake",
         "image_grounding.data.input_jsonl=" + (folder_ / "in.jsonl").string(),
         "image_grounding.data.image_root=" + folder_.path().string()});
    EXPECT_TRUE(loaded) << loaded.error().message;
    return *loaded;
  }
  RunOutcome run(const Spec& spec, FakeEndpoint& endpoint,
                 std::function<Interrupt()> interrupt = {}) {
    RunHooks hooks;
    hooks.logger = &logger_;
    hooks.interrupt = std::move(interrupt);
    RunEnvironment environment;
    environment.transport = std::make_unique<FakeTransport>(endpoint);
    environment.pool_threads = 2;
    return run_pipeline(spec, hooks, std::move(environment));
  }
  std::string output(const std::string& results = "out") {
    return read_text(folder_ / results / "annotations.jsonl");
  }
  std::vector<json> records(const std::string& results = "out") {
    std::vector<json> out;
    std::istringstream lines(output(results));
    for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
    return out;
  }
  TemporaryFolder folder_;
  QuietLogger logger_;
};

}  // namespace alig
