#include "chat_api.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include <openssl/evp.h>
#include <opencv2/imgcodecs.hpp>

#include "families.h"
#include "language.h"

#include "auto_label_image_grounding/base/json_text.h"

namespace demo {
namespace {

using Json = nlohmann::ordered_json;

// A request that a real endpoint would refuse with 400.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string decode_base64(std::string text) {
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
  if (text.size() % 4 != 0) throw BadRequest("invalid base64 image");
  std::string out(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) throw BadRequest("invalid base64 image");
  std::size_t padding = 0;
  while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

// As servers do: the pixels as they are stored, EXIF orientation ignored.
cv::Mat decode_image(const std::string& bytes) {
  const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  cv::Mat image;
  if (!bytes.empty()) {
    image = cv::imdecode(buffer, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  }
  if (image.empty()) throw BadRequest("cannot identify image file");
  return image;
}

cv::Mat image_of_url(const std::string& url) {
  constexpr std::string_view kFile = "file://";
  if (url.rfind(kFile, 0) == 0) {
    std::ifstream in(url.substr(kFile.size()), std::ios::binary);
    return decode_image({std::istreambuf_iterator<char>(in), {}});
  }
  const std::size_t comma = url.find(";base64,");
  if (url.rfind("data:image/", 0) != 0 || comma == std::string::npos) {
    throw BadRequest("image_url must be a data URL");
  }
  return decode_image(decode_base64(url.substr(comma + 8)));
}

// The JSON behind "name: " at the beginning of a line of the prompt.
std::optional<Json> field(const std::string& prompt, const std::string& name) {
  const std::size_t at = ("\n" + prompt).find("\n" + name + ": ");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + name.size() + 2;
  Json value = alig::parse_ordered_json(prompt.substr(begin, prompt.find('\n', begin) - begin));
  return value.is_discarded() ? std::nullopt : std::optional(value);
}

Json extraction(const std::string& caption) {
  const std::string cleaned = clean_caption(caption);
  Json expressions = Json::array();
  for (const Phrase& phrase : noun_phrases(cleaned)) {
    expressions.push_back({{"text", phrase.text},
                           {"char_span", {phrase.begin, phrase.end}},
                           {"noun_chunk", phrase.head}});
  }
  return {{"cleaned_caption", cleaned}, {"expressions", expressions}};
}

std::vector<Finding> find_all(const Json& expressions, const cv::Mat& image, EyeKind eyes) {
  const std::vector<Sighting> seen = see(image, eyes);
  std::vector<Finding> findings;
  for (const Json& expression : expressions) {
    const std::string text = expression.at("text").get<std::string>();
    findings.push_back({expression.at("id").get<int>(), text, matching(text, seen)});
  }
  return findings;
}

struct Question {
  std::string model;
  std::string prompt;
  cv::Mat image;          // empty: text only
  std::string mime_type;  // of the image, as the request says
  bool json_only = false;
};

struct Answer {
  std::string text;
  int input_tokens = 0, output_tokens = 0;
  Json log;
};

Answer ground(const Question& question, const Json& expressions, const Teaching& teaching) {
  if (question.image.empty()) throw BadRequest("no image to look at");
  const Family& family = family_of(teaching.family.empty() ? question.model : teaching.family);
  const cv::Size received = question.image.size();
  const cv::Size grid = grid_of(family, seen_size(family, received));
  Answer answer;
  answer.log = {{"step", "1"},
                {"family", family.name},
                {"grid", {grid.width, grid.height}},
                {"bins", family.bins}};
  answer.log["expressions"] = expressions;
  answer.text = write_answer(find_all(expressions, question.image, teaching.eyes), family, received,
                             question.json_only);
  return answer;
}

Answer extract(const Question& question, const Json& caption) {
  Answer answer;
  answer.log = {{"step", "0"}, {"caption", caption}};
  answer.text = alig::json_text(extraction(caption.get<std::string>()), 2);
  // Without a schema real models like to put a fence around their JSON.
  if (!question.json_only) answer.text = "```json\n" + answer.text + "\n```";
  return answer;
}

Answer think(const Question& question, const Teaching& teaching) {
  if (question.mime_type == teaching.refused_type && !question.mime_type.empty()) {
    throw BadRequest("Unsupported image format: " + question.mime_type);
  }
  Answer answer;
  if (const auto expressions = field(question.prompt, "Expressions"); expressions) {
    answer = ground(question, *expressions, teaching);
  } else if (const auto caption = field(question.prompt, "Caption"); caption) {
    answer = extract(question, *caption);
  } else {
    throw BadRequest(
        "the demo teacher reads prompts with a line \"Caption: …\" or \"Expressions: …\"");
  }
  answer.log["model"] = question.model;
  answer.log["width"] = question.image.cols;
  answer.log["height"] = question.image.rows;
  constexpr int kCharactersPerToken = 4, kTokensPerImage = 258;
  answer.input_tokens = static_cast<int>(question.prompt.size()) / kCharactersPerToken +
                        (question.image.empty() ? 0 : kTokensPerImage);
  answer.output_tokens = static_cast<int>(answer.text.size()) / kCharactersPerToken;
  return answer;
}

Question read_openai(const Json& body) {
  Question question;
  question.model = body.at("model").get<std::string>();
  question.json_only = body.contains("response_format");
  for (const Json& part : body.at("messages").at(0).at("content")) {
    if (part.at("type") == "image_url") {
      const std::string url = part.at("image_url").at("url").get<std::string>();
      question.image = image_of_url(url);
      if (url.rfind("data:", 0) == 0) question.mime_type = url.substr(5, url.find(';') - 5);
    } else {
      question.prompt += part.at("text").get<std::string>();
    }
  }
  return question;
}

Question read_gemini(const std::string& model, const Json& body) {
  Question question;
  question.model = model;
  question.json_only =
      body.contains("generationConfig") && body["generationConfig"].contains("responseMimeType");
  for (const Json& part : body.at("contents").at(0).at("parts")) {
    if (part.contains("inlineData")) {
      question.image =
          decode_image(decode_base64(part["inlineData"].at("data").get<std::string>()));
      question.mime_type = part["inlineData"].at("mimeType").get<std::string>();
    } else {
      question.prompt += part.at("text").get<std::string>();
    }
  }
  return question;
}

}  // namespace

Json openai_error(const std::string& message, const char* code) {
  Json out = Json::object();
  out["error"] = {
      {"message", message}, {"type", "invalid_request_error"}, {"param", nullptr}, {"code", code}};
  return out;
}

Json gemini_error(int code, const std::string& message, const char* status) {
  Json out = Json::object();
  out["error"] = {{"code", code}, {"message", message}, {"status", status}};
  return out;
}

namespace {

Json parse_body(const std::string& body) {
  Json out = alig::parse_ordered_json(body);
  if (out.is_discarded()) throw BadRequest(alig::json_complaint(body));
  return out;
}

}  // namespace

Reply answer_openai(const std::string& body, const Teaching& teaching) {
  try {
    const Question question = read_openai(parse_body(body));
    const Answer answer = think(question, teaching);
    Json choice = {{"index", 0},
                   {"message", {{"role", "assistant"}, {"content", answer.text}}},
                   {"finish_reason", "stop"}};
    return {200,
            {{"id", "demo"},
             {"object", "chat.completion"},
             {"model", question.model},
             {"choices", Json::array({choice})},
             {"usage",
              {{"prompt_tokens", answer.input_tokens},
               {"completion_tokens", answer.output_tokens},
               {"total_tokens", answer.input_tokens + answer.output_tokens}}}},
            answer.log};
  } catch (const std::exception& error) {
    return {400, openai_error(error.what(), "invalid_value"), {}};
  }
}

Reply answer_gemini(const std::string& model, const std::string& body, const Teaching& teaching) {
  try {
    const Answer answer = think(read_gemini(model, parse_body(body)), teaching);
    Json candidate = Json::object();
    candidate["content"] = {{"role", "model"},
                            {"parts", Json::array({Json::object({{"text", answer.text}})})}};
    candidate["finishReason"] = "STOP";
    return {200,
            {{"candidates", Json::array({candidate})},
             {"usageMetadata",
              {{"promptTokenCount", answer.input_tokens},
               {"candidatesTokenCount", answer.output_tokens},
               {"totalTokenCount", answer.input_tokens + answer.output_tokens}}},
             {"modelVersion", model}},
            answer.log};
  } catch (const std::exception& error) {
    return {400, gemini_error(400, error.what(), "INVALID_ARGUMENT"), {}};
  }
}

}  // namespace demo
