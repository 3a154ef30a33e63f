// Pure parts: readers of answers, spans, and images on their way into a request.
#include <benchmark/benchmark.h>

#include <fstream>
#include <span>
#include <string>

#include <fmt/core.h>

#include "auto_label_image_grounding/http/body_reader.h"
#include "auto_label_image_grounding/parse/extraction_answer.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "auto_label_image_grounding/steps/spans.h"

namespace alig {
namespace {

void count_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes));
}

void BM_Base64OfABody(benchmark::State& state) {
  const auto bytes =
      std::make_shared<const std::string>(static_cast<std::size_t>(state.range(0)), '\x5a');
  const RequestBody body = {Base64Bytes{bytes}};
  std::string buffer(256 * 1024, '\0');
  for (auto _ : state) {
    BodyReader reader(body);
    for (;;) {
      const auto piece = reader.read(std::span(buffer));
      if (!piece || *piece == 0) break;
      benchmark::DoNotOptimize(buffer.data());
    }
  }
  count_bytes(state, bytes->size());
}
BENCHMARK(BM_Base64OfABody)->Arg(50'000)->Arg(500'000)->Arg(5'000'000);

std::string grounding_answer(int expressions, bool fenced) {
  std::string text = fenced ? "Here are the boxes:\n```json\n" : "";
  text += "{\"groundings\": [";
  for (int i = 1; i <= expressions; ++i) {
    text += fmt::format(
        "{}{{\"id\": {}, \"text\": \"a red thing\", \"instances\": [{{\"bbox\": [1, 2, 30, 40], "
        "\"score\": 0.9}}]}}",
        i == 1 ? "" : ", ", i);
  }
  return text + (fenced ? ",]}\n```" : "]}");
}

void BM_ReadGroundingAnswer(benchmark::State& state) {
  const std::string text = grounding_answer(static_cast<int>(state.range(0)), state.range(1) == 1);
  for (auto _ : state) benchmark::DoNotOptimize(parse::read_grounding_answer(text));
  count_bytes(state, text.size());
}
// Expressions; 1: with a fence, prose and a trailing comma.
BENCHMARK(BM_ReadGroundingAnswer)->Args({5, 0})->Args({5, 1})->Args({50, 0})->Args({50, 1});

void BM_ReadExtractionAnswer(benchmark::State& state) {
  std::string text = "{\"cleaned_caption\": \"A caption.\", \"expressions\": [";
  for (int i = 0; i < 8; ++i) {
    text += fmt::format(
        "{}{{\"text\": \"a red thing\", \"char_span\": [0, 11], \"noun_chunk\": \"thing\"}}",
        i == 0 ? "" : ", ");
  }
  text += "]}";
  for (auto _ : state) benchmark::DoNotOptimize(parse::read_extraction_answer(text));
  count_bytes(state, text.size());
}
BENCHMARK(BM_ReadExtractionAnswer);

void BM_FindSpans(benchmark::State& state) {
  std::string caption;
  while (caption.size() < static_cast<std::size_t>(state.range(0))) {
    caption += "A red thing beside a blue thing, and ";
  }
  caption += "the last one.";
  for (auto _ : state) {
    SpanFinder finder(caption);
    benchmark::DoNotOptimize(finder.take("a red thing", std::nullopt));
    benchmark::DoNotOptimize(finder.take("the last one", std::nullopt));
  }
  count_bytes(state, caption.size());
}
BENCHMARK(BM_FindSpans)->Arg(100)->Arg(1000)->Arg(10'000);

}  // namespace
}  // namespace alig
