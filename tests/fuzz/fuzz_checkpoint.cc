// Checkpoints: damaged ones are refused, what is taken is sound and survives writing and reading.
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

void check_size(const std::optional<ImageSize>& size) {
  require(!size || (size->width > 0 && size->height > 0), "an image has an area");
}

void check_extraction(ExtractionCheckpoint checkpoint) {
  check_size(checkpoint.result.size);
  const std::string text = encode_checkpoint(checkpoint.header, checkpoint.result);
  const auto again = decode_extraction_checkpoint(text);
  require(again && encode_checkpoint(again->header, again->result) == text,
          "an extraction survives writing and reading");
  // As for one that the stock pipeline left.
  LabelCounts counts;
  check_spans(checkpoint.result, counts);
  const auto caption = lower_code_points(to_code_points(checkpoint.result.cleaned_caption));
  for (const Expression& expression : checkpoint.result.expressions) {
    const auto& span = expression.char_span;
    if (!span) continue;
    const std::vector<char32_t> part(caption.begin() + span->begin, caption.begin() + span->end);
    require(part == lower_code_points(to_code_points(expression.text)), "a span is true");
  }
}

void check_grounding(const GroundingCheckpoint& checkpoint) {
  const GroundingResult& result = checkpoint.result;
  check_size(result.size);
  constexpr ImageSize kAnySize{2147483647, 2147483647};
  for (const std::vector<Instance>& list : result.instances) {
    for (const Instance& instance : list) {
      require_box(instance.bbox, result.size.value_or(kAnySize));
      require_score(instance.score);
    }
  }
  const std::vector<std::string> texts(result.instances.size(), "a dog");
  const std::string text = encode_checkpoint(checkpoint.header, texts, result);
  const auto again = decode_grounding_checkpoint(text);
  require(again && encode_checkpoint(again->header, texts, again->result) == text,
          "a grounding survives writing and reading");
}

void run(std::string_view text) {
  const auto extraction = decode_extraction_checkpoint(text);
  require(extraction || extraction.error().kind == ErrorKind::kData, "damage is kData");
  if (extraction) check_extraction(*extraction);
  const auto grounding = decode_grounding_checkpoint(text);
  require(grounding || grounding.error().kind == ErrorKind::kData, "damage is kData");
  if (grounding) check_grounding(*grounding);
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
