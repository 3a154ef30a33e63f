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
#include "auto_label_image_grounding/vlm/request_form.h"

namespace alig {

// The image of a request, upright and in a format that the endpoint accepts.
struct VlmImage {
  std::string mime_type;
  BodyPart bytes;                       // Base64File or Base64Bytes
  std::optional<std::string> file_url;  // "file:///…" if the unchanged file may be named instead
  double tokens = 0;                    // estimated
  std::uint64_t encoded_bytes = 0;      // before base64
  // The MIME type in which the image was refused; "" unless it was converted for that reason.
  std::string converted_from;
};

struct VlmQuery {
  std::optional<VlmImage> image;  // absent: text only
  std::string prompt;
  const nlohmann::ordered_json* schema = nullptr;  // static storage
  const char* schema_name = "";
  // How often it was asked already without a usable answer. Such a question is not repeated
  // unchanged: the prompt gets another sentence, and the temperature is raised where the endpoint
  // takes one. It is not raised from 1, the only value that some endpoints take.
  int times_asked_in_vain = 0;
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
  std::string model;   // that answered, as the endpoint calls it; "" if it does not say
  TokenUsage usage;
};

// The endpoint's requirements for images.
struct ImageRules {
  std::set<ImageFormat> accepted;
  // Of the encoded image, before base64 (which adds a third); 0: no limit.
  std::uint64_t max_inline_bytes = 0;
  bool by_file_url = false;  // an unchanged file is named, not sent
};

// What probes found out about an endpoint, as texts for the user.
struct ProbeReport {
  std::string text;
  std::string warning = {};  // what may make a run fail; "" if nothing
};

class VlmBackend {
 public:
  virtual ~VlmBackend() = default;
  virtual const std::string& model() const = 0;
  // The address, as the spec gives it; may hold a user name and a password.
  virtual const std::string& base_url() const = 0;
  virtual ImageRules image_rules() const = 0;
  // The parts of such a request that may be left out, those that are refused most often last. What
  // the user forces is not among them.
  virtual std::vector<OptionalPart> optional_parts(const VlmQuery& query) const = 0;
  // Parts that are not optional are sent in their first form.
  virtual HttpRequest make_request(const VlmQuery& query, const RequestForm& form) const = 0;
  // For answers with status 2xx. kData if the body does not conform to the API.
  virtual Result<VlmReply> read_reply(std::string_view body) const = 0;
  // A free request that shows whether endpoint, key and model are valid, given the answers to
  // earlier ones; nothing if no further one helps. There is always a first one.
  virtual std::optional<HttpRequest> next_probe(const std::vector<HttpResponse>& answers) const = 0;
  // What the answers mean. kEndpoint if a run would fail, with what to do.
  virtual Result<ProbeReport> judge_probes(const std::vector<HttpResponse>& answers) const = 0;
  // What to do about a failure that ends a run; "" if there is no advice.
  virtual std::string advice_on(FailureKind kind) const = 0;
  // The largest answer in tokens that a request allows.
  virtual int max_output_tokens() const = 0;
};

// One for each endpoint of the spec, at least one: replicas of one model, alike but for their
// address. `spec` must be validated and have its keys resolved.
std::vector<std::unique_ptr<VlmBackend>> make_backends(const VlmSpec& spec);

}  // namespace alig
