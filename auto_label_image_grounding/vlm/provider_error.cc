#include "auto_label_image_grounding/vlm/provider_error.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/vlm/time_text.h"

namespace alig {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBodyBytes = 256 * 1024;  // a real error is a few KB
constexpr std::size_t kMaxTextBytes = 16 * 1024;   // examined if there is no structure
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxDetails = 64;
constexpr std::size_t kMaxMessageBytes = 500;
constexpr std::size_t kMaxFieldBytes = 200;

// Messages end up in one-line logs and on terminals: runs of white space and control characters
// (line ends, escape sequences) become one blank.
std::string one_line(std::string_view text, std::size_t max_bytes) {
  std::string line;
  for (const char32_t c : to_code_points(trim(text))) {
    const bool blank = c < 0x20 || (c >= 0x7F && c < 0xA0) || is_space_code_point(c);
    if (!blank) {
      line += to_utf8(c);
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return shorten(trim(line), max_bytes);
}

// Valid UTF-8, and raw line ends within strings, which sloppy servers leave in, made blanks.
std::string parseable(std::string_view body) {
  std::string text = scrub_utf8(body);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return text;
}

// Text of a member, numbers as text; empty where it is absent or something else.
std::string field_of(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_number() ? json_text(value) : one_line(text_at(object, key), kMaxFieldBytes);
}

std::string message_of(const json& object, const char* key) {
  return one_line(text_at(object, key), kMaxMessageBytes);
}

void read_violations(const json& detail, ProviderError& error) {
  const auto violations = detail.find("violations");
  if (violations == detail.end() || !violations->is_array()) return;
  for (const json& violation : *violations) {
    if (!violation.is_object() || error.quota_ids.size() >= kMaxDetails) continue;
    if (std::string id = field_of(violation, "quotaId"); !id.empty()) error.quota_ids.push_back(id);
  }
}

// Google's error details: a list of typed objects.
void read_details(const json& object, ProviderError& error) {
  const auto details = object.find("details");
  if (details == object.end() || !details->is_array()) return;
  for (const json& detail : *details) {
    if (!detail.is_object() || error.reasons.size() >= kMaxDetails) continue;
    if (std::string reason = field_of(detail, "reason"); !reason.empty()) {
      error.reasons.push_back(reason);
    }
    if (auto delay = parse_duration(field_of(detail, "retryDelay"))) error.retry_delay = delay;
    read_violations(detail, error);
  }
}

struct DelayRow {
  const char* key;
  std::optional<Duration> (*parse)(std::string_view);
};

std::optional<Duration> parse_seconds(std::string_view text) {
  return parse_duration(std::string(text) + "s");
}

constexpr DelayRow kDelays[] = {{"retry_after_ms", parse_milliseconds},
                                {"retry_after", parse_seconds},
                                {"retry_after_seconds", parse_seconds}};

// A wait as a number, in the error or beside it, and the headers of a server behind this one.
void read_delays(const json& object, ProviderError& error) {
  for (const DelayRow& row : kDelays) {
    if (!error.retry_delay) error.retry_delay = row.parse(field_of(object, row.key));
  }
  const json& headers = member(object, "headers");
  if (!headers.is_object()) return;
  for (const auto& [name, value] : headers.items()) {
    if (error.headers.size() >= kMaxDetails || name.size() > kMaxFieldBytes) continue;
    if (auto text = field_of(headers, name.c_str()); !text.empty()) {
      error.headers.emplace_back(ascii_lower(name), std::move(text));
    }
  }
}

// FastAPI: "detail" is a text, or a list of {"loc", "msg"}.
std::string detail_of(const json& object) {
  const auto detail = object.find("detail");
  if (detail == object.end()) return "";
  if (detail->is_array() && !detail->empty() && detail->front().is_object()) {
    return message_of(detail->front(), "msg");
  }
  return detail->is_object() ? message_of(*detail, "message") : message_of(object, "detail");
}

void read_object(const json& object, ProviderError& error) {
  error.code = field_of(object, "code");
  error.type = field_of(object, "type");
  error.param = field_of(object, "param");
  error.status = field_of(object, "status");
  error.message = message_of(object, "message");
  if (error.message.empty()) error.message = detail_of(object);
  for (const char* key : {"msg", "error_description", "title"}) {
    if (error.message.empty()) error.message = message_of(object, key);
  }
  read_details(object, error);
  read_delays(object, error);
  read_delays(member(object, "metadata"), error);
}

// Whether something was understood.
bool read_document(const json& document, ProviderError& error) {
  if (document.is_array() && !document.empty()) return read_document(document.front(), error);
  if (!document.is_object()) return false;
  for (const char* key : {"error", "detail", "errors"}) {
    const json& inner = member(document, key);
    const bool holds_it =
        inner.is_object() || (inner.is_array() && key == std::string_view("errors"));
    if (!holds_it || !read_document(inner, error)) continue;
    if (error.code.empty()) error.code = field_of(document, "code");
    if (error.type.empty()) error.type = field_of(document, "type");
    read_delays(document, error);
    return true;
  }
  read_object(document, error);
  if (error.message.empty()) error.message = message_of(document, "error");
  return !error.message.empty() || !error.code.empty() || !error.status.empty();
}

std::string html_title(std::string_view text, const std::string& lower) {
  const std::size_t tag = lower.find("<title");
  if (tag == std::string::npos) return "";
  const std::size_t begin = lower.find('>', tag);
  const std::size_t end = lower.find("</title", tag);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  return std::string(text.substr(begin + 1, end - begin - 1));
}

std::string without_tags(std::string_view text) {
  std::string out;
  bool in_tag = false;
  for (const char c : text) {
    if (c == '<') in_tag = true;
    if (!in_tag) out += c;
    if (c == '>') {
      in_tag = false;
      out += ' ';
    }
  }
  return out;
}

// Gateways and load balancers answer with their own pages.
std::string text_message(std::string_view body) {
  const std::string_view text = trim(body.substr(0, kMaxTextBytes));
  const std::string lower = ascii_lower(text);
  const bool html = lower.rfind("<!doctype", 0) == 0 || lower.find("<html") != std::string::npos;
  if (!html) return one_line(text, kMaxMessageBytes);
  const std::string title = one_line(html_title(text, lower), kMaxMessageBytes);
  return title.empty() ? one_line(without_tags(text), kMaxMessageBytes) : title;
}

}  // namespace

ProviderError parse_provider_error(std::string_view body) {
  ProviderError error;
  if (body.size() <= kMaxBodyBytes && !nests_deeper_than(body, kMaxDepth)) {
    const json document = parse_json(parseable(body));
    if (!document.is_discarded() && read_document(document, error)) {
      if (error.message.empty()) error.message = error.code.empty() ? error.status : error.code;
      return error;
    }
  }
  error.message = text_message(body);
  return error;
}

}  // namespace alig
