#include "auto_label_image_grounding/http/transport.h"

#include <fmt/core.h>

#include <algorithm>

namespace alig {
namespace {

std::uint64_t base64_size(std::uint64_t raw) { return (raw + 2) / 3 * 4; }

struct PartSize {
  std::uint64_t operator()(const std::string& text) const { return text.size(); }
  std::uint64_t operator()(const Base64File& file) const { return base64_size(file.size); }
  std::uint64_t operator()(const Base64Bytes& part) const {
    return part.bytes == nullptr ? 0 : base64_size(part.bytes->size());
  }
};

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

}  // namespace

std::uint64_t body_size(const RequestBody& body) {
  std::uint64_t total = 0;
  for (const BodyPart& part : body) total += std::visit(PartSize{}, part);
  return total;
}

// A key that was read from a file with its line end would smuggle a header in, or lose the rest.
std::optional<TransportFault> find_bad_header(const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || has_control_character(name) || has_control_character(value)) {
      return TransportFault{TransportFault::Kind::kInvalidRequest,
                            fmt::format("the value of the header \"{}\" holds a line break or "
                                        "another control character",
                                        has_control_character(name) ? "?" : name)};
    }
  }
  return std::nullopt;
}

const std::string* HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

const char* name_of(TransportFault::Kind kind) {
  switch (kind) {
    case TransportFault::Kind::kConnect:
      return "connect";
    case TransportFault::Kind::kDns:
      return "dns";
    case TransportFault::Kind::kTimeout:
      return "timeout";
    case TransportFault::Kind::kUnprocessed:
      return "unprocessed";
    case TransportFault::Kind::kReset:
      return "reset";
    case TransportFault::Kind::kTls:
      return "tls";
    case TransportFault::Kind::kTooLarge:
      return "too_large";
    case TransportFault::Kind::kLocalFile:
      return "local_file";
    case TransportFault::Kind::kProxy:
      return "proxy";
    case TransportFault::Kind::kInvalidRequest:
      return "invalid_request";
    case TransportFault::Kind::kCancelled:
      return "cancelled";
    case TransportFault::Kind::kOther:
      break;
  }
  return "other";
}

}  // namespace alig
