// A line of step 0's output, as somebody left it after editing: what step 1 alone takes has true
// spans and ids of its own, nothing else of it is changed, and done again it stays as it is.
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/steps/corrections.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

using nlohmann::json;

Record corrected(Record record) {
  ExpressionIds ids(0);
  LabelCounts counts;
  check_corrections(record, ids, counts);
  return record;
}

void check_span(const std::vector<char32_t>& caption, const json& expression) {
  const json span = expression.value("char_span", json());
  if (span.is_null()) return;
  const auto begin = span.at(0).get<std::int64_t>(), end = span.at(1).get<std::int64_t>();
  const auto size = static_cast<std::int64_t>(caption.size());
  require(0 <= begin && begin < end && end <= size, "a span lies in the caption");
  const std::vector<char32_t> part(caption.begin() + begin, caption.begin() + end);
  const auto& text = expression.at("text").get_ref<const std::string&>();
  require(part == lower_code_points(to_code_points(text)), "a span is true");
}

void run(std::string_view line) {
  auto sample = read_extracted_sample(line);
  if (!sample) {
    require(sample.error().kind == ErrorKind::kData, "a bad line is kData");
    return;
  }
  const Record record = corrected(sample->sample.record);
  const auto caption =
      lower_code_points(to_code_points(record.value("cleaned_caption").get<std::string>()));
  std::vector<std::string> texts;
  std::set<std::string> ids;
  for (const json& expression : record.value("expressions")) {
    check_span(caption, expression);
    texts.push_back(expression.at("text").get<std::string>());
    require(ids.insert(expression.at("expression_id").get<std::string>()).second, "ids are unique");
  }
  require(texts == sample->texts, "the texts stay as they are");
  require(corrected(record).dump() == record.dump(), "what is true stays to the byte");
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
