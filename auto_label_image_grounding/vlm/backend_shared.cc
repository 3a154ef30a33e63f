#include <algorithm>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/vlm/backend_factories.h"
#include "auto_label_image_grounding/vlm/provider_error.h"

namespace alig {

using nlohmann::json;

std::string open_object(const nlohmann::ordered_json& object) {
  std::string out = json_text(object);
  out.pop_back();
  return out;
}

Result<json> parse_response(std::string_view body) {
  constexpr std::size_t kMaxDepth = 200;  // a real answer has about ten
  const bool too_deep = nests_deeper_than(body, kMaxDepth);
  json parsed = too_deep ? json() : parse_json(body);
  if (!parsed.is_object()) {
    return fail(ErrorKind::kData, "the endpoint's answer is not the JSON that its API promises: " +
                                      shorten(scrub_utf8(trim(body)), 200));
  }
  return parsed;
}

Error incomplete_answer(std::string_view body, std::string what) {
  if (!member(parse_json(body), "error").is_null()) {
    what += ", but an error: " + parse_provider_error(body).message;
  }
  return {ErrorKind::kData, std::move(what)};
}

std::int64_t token_count(const json& object, const char* key) {
  const json& number = member(object, key);
  if (!number.is_number()) return 0;
  constexpr double kBelievable = 1e12;  // what is beyond would overflow a sum
  const double count = number.get<double>();
  return count >= 0 && count <= kBelievable ? static_cast<std::int64_t>(count) : 0;
}

std::string refusal_of_probe(const HttpResponse& response, const std::string& base_url,
                             const std::string& key_advice) {
  constexpr int kFirstGood = 200, kFirstBad = 300;
  if (response.status >= kFirstGood && response.status < kFirstBad) return "";
  const ProviderError error = parse_provider_error(response.body);
  const bool about_key = response.status == 401 || response.status == 403 ||
                         std::find(error.reasons.begin(), error.reasons.end(), "API_KEY_INVALID") !=
                             error.reasons.end() ||
                         ascii_lower(error.message).find("api key") != std::string::npos;
  return fmt::format("{} answers with status {}: {}{}", base_url, response.status, error.message,
                     about_key ? key_advice : "");
}

std::string advice_on_silence(const char* base_url_key) {
  return fmt::format(". Check {}, and that the server is running", base_url_key);
}

double temperature_for(const VlmQuery& query, double configured) {
  constexpr double kStep = 0.1;
  constexpr double kOnlyOneOfSomeEndpoints = 1;
  const double raised = configured == kOnlyOneOfSomeEndpoints
                            ? configured
                            : configured + kStep * query.times_asked_in_vain;
  return std::clamp(raised, 0.0, 2.0);
}

std::string prompt_for(const VlmQuery& query) {
  if (query.times_asked_in_vain == 0) return query.prompt;
  return fmt::format(
      "{}\n\nAn earlier answer could not be read (try {}). Answer with the complete JSON and "
      "nothing else.",
      query.prompt, query.times_asked_in_vain + 1);
}

}  // namespace alig
