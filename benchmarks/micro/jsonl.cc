// Records in and out.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/data/dataset.h"
#include "auto_label_image_grounding/data/jsonl.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/steps/render.h"

namespace alig {
namespace {

constexpr int kRecords = 10'000;

std::string line_of(int i) {
  return fmt::format(
      R"({{"image_path": "images/{:07}.jpg", "image_id": "{:07}", "caption": "A red thing, image {}.", "width": 640, "height": 480, "weight": 1.50}})",
      i, i, i);
}

std::filesystem::path input_file() {
  static const std::filesystem::path kPath = [] {
    auto path = std::filesystem::temp_directory_path() / "alig-bench-input.jsonl";
    std::ofstream out(path);
    for (int i = 0; i < kRecords; ++i) out << line_of(i) << "\n";
    return path;
  }();
  return kPath;
}

void BM_ReadLines(benchmark::State& state) {
  for (auto _ : state) {
    auto file = JsonlFile::open(input_file());
    for (auto line = file->next(); line && *line; line = file->next()) {
      benchmark::DoNotOptimize((*line)->text.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
}
BENCHMARK(BM_ReadLines);

void BM_ReadSample(benchmark::State& state) {
  const std::string line = line_of(17);
  for (auto _ : state) benchmark::DoNotOptimize(read_input_sample(line, "/data"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ReadSample);

void BM_IndexInput(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Dataset::open(input_file(), InputKind::kCaptions, "/data"));
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
}
BENCHMARK(BM_IndexInput);

void BM_WriteLine(benchmark::State& state) {
  const Sample sample = *read_input_sample(line_of(17), "/data");
  const ExtractionResult extraction{
      "A red thing, image 17.", {{"a red thing", CharSpan{0, 11}, "thing"}}, ImageSize{640, 480}};
  const GroundingResult grounding{{{{{10, 20, 60, 80}, 0.75}}}, ImageSize{640, 480}};
  IdCounter ids;
  for (auto _ : state) {
    Record record = render_extraction(sample, extraction, std::nullopt, ids);
    record = render_grounding(std::move(record), grounding, std::nullopt, ids);
    benchmark::DoNotOptimize(record.dump());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_WriteLine);

}  // namespace
}  // namespace alig
