// The wire formats of the endpoints: a query becomes an HTTP request, an HTTP answer a reply.
// Pure: no network, no clock. One instance serves a whole run and may be used from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/image/image_info.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/vlm/failure.h"

namespace alig {

// The image of a request, upright and in a format that the endpoint accepts.
struct VlmImage {
  std::string mime_type;
  BodyPart bytes;                       // Base64File or Base64Bytes
  std::optional<std::string> file_url;  // "file:///…" if the unchanged file may be named instead
  double tokens = 0;                    // estimated
};

struct VlmQuery {
  std::optional<VlmImage> image;  // absent: text only
  std::string prompt;
  const nlohmann::ordered_json* schema = nullptr;  // static storage
  const char* schema_name = "";
  // Added to the configured temperature, so that a request without a usable answer is not repeated
  // unchanged.
  double raise_temperature = 0;
};

// What the endpoint turned out not to accept; learned once, kept for the run.
struct EndpointQuirks {
  bool structured_output = true;              // false: the schema is refused, ask without
  bool max_completion_tokens = false;         // true: the OpenAI key for reasoning models
  std::set<std::string> refused_image_types;  // MIME types that must be transcoded
  bool operator==(const EndpointQuirks&) const = default;
};

struct TokenUsage {
  std::int64_t input = 0;
  std::int64_t output = 0;  // without thinking
  std::int64_t thinking = 0;
  std::int64_t cached = 0;  // part of input
  TokenUsage& operator+=(const TokenUsage& other);
};

enum class Finish {
  kComplete,
  kTokenLimit,  // truncated: must not be used in part
  kRefused,     // by a safety filter; asking again is pointless
};

struct VlmReply {
  std::string text;
  Finish finish = Finish::kComplete;
  std::string detail;  // the endpoint's reason if not kComplete
  TokenUsage usage;
};

// The endpoint's requirements for images.
struct ImageRules {
  std::set<ImageFormat> accepted;
  // Of the encoded image, before base64 (which adds a third); 0: no limit.
  std::uint64_t max_inline_bytes = 0;
  bool by_file_url = false;  // an unchanged file is named, not sent
};

class VlmBackend {
 public:
  virtual ~VlmBackend() = default;
  virtual const std::string& model() const = 0;
  virtual ImageRules image_rules() const = 0;
  virtual HttpRequest make_request(const VlmQuery& query, const EndpointQuirks& quirks) const = 0;
  // For answers with status 2xx. kData if the body does not conform to the API.
  virtual Result<VlmReply> read_reply(std::string_view body) const = 0;
  // A free request that shows whether endpoint, key and model are valid, given the answers to
  // earlier ones; nothing if no further one helps. There is always a first one.
  virtual std::optional<HttpRequest> next_probe(const std::vector<HttpResponse>& answers) const = 0;
  // What the answers mean, as text for the user. kEndpoint if a run would fail, with what to do.
  virtual Result<std::string> judge_probes(const std::vector<HttpResponse>& answers) const = 0;
  // What to do about a failure that ends a run; "" if there is no advice.
  virtual std::string advice_on(FailureKind kind) const = 0;
  // The largest answer in tokens that a request allows.
  virtual int max_output_tokens() const = 0;
};

// `spec` must be validated and have its keys resolved.
std::unique_ptr<VlmBackend> make_backend(const VlmSpec& spec);

// For a 400, 415 or 422 that complains about a part of the request that can be changed: `quirks`
// with what was learned, or nothing. `image_type` is the MIME type of the request's image, ""
// without one. Sending again with the new quirks is not a retry: the first request was never
// processed.
std::optional<EndpointQuirks> quirks_after_refusal(const HttpResponse& response,
                                                   const EndpointQuirks& quirks,
                                                   StructuredOutput setting,
                                                   std::string_view image_type);

}  // namespace alig
