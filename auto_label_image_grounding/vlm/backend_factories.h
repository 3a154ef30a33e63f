// Internal to vlm/: the constructors of the backends and what they share.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

std::unique_ptr<VlmBackend> make_gemini_backend(const VlmSpec& spec);
std::unique_ptr<VlmBackend> make_openai_backend(const VlmSpec& spec, std::string base_url);

// Encoded bytes of an image before base64 (which adds a third), below the smaller of the inline
// limits: 20 MB for a whole Gemini request.
constexpr std::uint64_t kMaxInlineBytes = 14'000'000;

// What is kept of a model's name in an answer, in bytes.
constexpr std::size_t kMaxModelName = 200;

// `object` as text without the last brace, so that a member with a streamed image can follow.
std::string open_object(const nlohmann::ordered_json& object);

// The settings of requests as text from open_object(): the same for all requests of a step, so the
// text is made once. Any thread.
class OpenedSettings {
 public:
  // `make` returns the settings as an object; they depend on nothing but the arguments.
  template <typename Make>
  std::string of(const VlmQuery& query, const RequestForm& form, Make make) {
    const Key key{query.schema, query.times_asked_in_vain, query.image.has_value(), form};
    const std::lock_guard lock(mutex_);
    std::string& text = texts_[key];
    if (text.empty()) text = open_object(make(query, form));
    return text;
  }

 private:
  using Key = std::tuple<const void*, int, bool, RequestForm>;
  std::mutex mutex_;
  std::map<Key, std::string> texts_;
};

// A parsed response body; kData with an excerpt if it is not JSON.
Result<nlohmann::json> parse_response(std::string_view body);

// kData for an answer that lacks what its API promises ("the answer has no choices"), with the
// provider's words if it contains an error instead.
Error incomplete_answer(std::string_view body, std::string what);

// A number of tokens, 0 if absent or null: endpoints omit what they do not count.
std::int64_t token_count(const nlohmann::json& object, const char* key);

// What is wrong if an endpoint does not answer a probe with 2xx; "" if it does.
std::string refusal_of_probe(const HttpResponse& response, const std::string& base_url,
                             const std::string& key_advice);

// What to do about an endpoint that does not answer.
std::string advice_on_silence(const char* base_url_key);

// The temperature of a request, at least 0 and at most 2: see VlmQuery::times_asked_in_vain.
double temperature_for(const VlmQuery& query, double configured);

// The prompt of a request: see VlmQuery::times_asked_in_vain.
std::string prompt_for(const VlmQuery& query);

}  // namespace alig
