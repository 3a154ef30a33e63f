// Finished samples: written one by one, found again.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>

#include <fmt/core.h>

#include "auto_label_image_grounding/results/checkpoint_store.h"

namespace alig {
namespace {

ResultsDir results_dir() {
  return {std::filesystem::temp_directory_path() / "alig-bench-checkpoints"};
}

CheckpointHeader header_of(int i) {
  const std::string caption = fmt::format("A red thing, image {}.", i);
  return {extraction_fingerprint({"a.jpg", caption, ""}), "model", "a.jpg", caption};
}

SampleName name_of(int i) { return {fmt::format("{:07}", i), "0123456789abcdef"}; }

std::string text_of(int i) {
  return encode_checkpoint(
      header_of(i),
      {header_of(i).caption, {{"a red thing", CharSpan{0, 11}, "thing"}}, ImageSize{640, 480}});
}

void BM_WriteCheckpoint(benchmark::State& state) {
  const ResultsDir dir = results_dir();
  std::filesystem::remove_all(dir.root);
  (void)dir.clean_temporaries();
  const CheckpointStore store(dir);
  (void)store.prepare({Step::kExtraction});
  int i = 0;
  for (auto _ : state) {
    if (!store.save(Step::kExtraction, name_of(i), text_of(i))) state.SkipWithError("not saved");
    ++i;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_WriteCheckpoint)->Iterations(20'000);

void BM_FindCheckpoint(benchmark::State& state) {
  constexpr int kThere = 20'000;  // what BM_WriteCheckpoint left
  const CheckpointStore store(results_dir());
  int i = 0;
  for (auto _ : state) {
    if (!store.find_extraction(name_of(i), header_of(i)).value()) state.SkipWithError("not found");
    i = (i + 1) % kThere;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FindCheckpoint);

}  // namespace
}  // namespace alig
