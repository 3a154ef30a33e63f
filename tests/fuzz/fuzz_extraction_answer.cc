// A model's answer about expressions, from its text to the output line and back.
//
// The first line is the record's caption, the rest the answer.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/extraction_answer.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"
#include "auto_label_image_grounding/steps/render.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

void check_answer(const parse::ExtractionAnswer& answer) {
  for (const parse::ExtractedExpression& expression : answer.expressions) {
    require(!expression.text.empty(), "an expression has a text");
    const auto& hint = expression.span_hint;
    require(!hint || (0 <= hint->first && hint->first < hint->second), "a hint is a span");
  }
  require(std::is_sorted(answer.repairs.begin(), answer.repairs.end()), "repairs are sorted");
  require(answer.unusable_expressions >= 0, "unusable expressions are counted up");
}

// Up to letter case, as the output promises it.
void check_span(const CharSpan& span, const std::vector<char32_t>& caption,
                const std::string& text) {
  require(0 <= span.begin && span.begin < span.end &&
              span.end <= static_cast<std::int64_t>(caption.size()),
          "a span lies inside the caption");
  const std::vector<char32_t> part(caption.begin() + span.begin, caption.begin() + span.end);
  require(part == lower_code_points(to_code_points(text)), "a span's characters are the text");
}

void check_result(const ExtractionResult& result) {
  const auto caption = lower_code_points(to_code_points(result.cleaned_caption));
  std::vector<std::pair<std::string, std::int64_t>> seen;
  for (const Expression& expression : result.expressions) {
    require(!trim(expression.text).empty(), "an expression has a text");
    require(!expression.noun_chunk.empty(), "an expression has a core noun");
    if (!expression.char_span) continue;
    check_span(*expression.char_span, caption, expression.text);
    seen.emplace_back(expression.text, expression.char_span->begin);
  }
  std::sort(seen.begin(), seen.end());
  require(std::adjacent_find(seen.begin(), seen.end()) == seen.end(),
          "no occurrence of a text is given away twice");
}

void check_output_line(std::string_view caption, const ExtractionResult& result) {
  Sample sample;
  sample.image_path = "a.jpg";
  sample.image_id = "a";
  sample.caption = caption;
  sample.record.set_string("image_path", "a.jpg");
  sample.record.set_string("caption", caption);
  IdCounter ids;
  const std::string line = render_extraction(sample, result, {}, ids).dump();
  require(line.find('\n') == line.npos, "an output line is one line");
  const auto again = read_extracted_sample(line);
  require(again.has_value(), "step 1 can read what step 0 wrote");
  require(again->texts.size() == result.expressions.size(), "no expression is lost");
  for (std::size_t i = 0; i < again->texts.size(); ++i) {
    require(again->texts[i] == scrub_utf8(result.expressions[i].text), "a text stays as it is");
  }
}

void run(std::string_view text) {
  const std::string_view caption = take_line(text);
  const auto answer = parse::read_extraction_answer(text);
  if (!answer) {
    require(answer.error().kind == ErrorKind::kData, "an unreadable answer is kData");
    require(!answer.error().message.empty(), "an error says what is wrong");
    return;
  }
  check_answer(*answer);
  LabelCounts counts;
  const ExtractionResult result = apply_extraction(caption, *answer, counts);
  check_result(result);
  for (const auto& [name, count] : counts.named()) require(count >= 0, name.c_str());
  check_output_line(caption, result);
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
