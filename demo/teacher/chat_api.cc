#include "chat_api.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include <openssl/evp.h>
#include <opencv2/imgcodecs.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "language.h"

namespace demo {
namespace {

using Json = nlohmann::ordered_json;

// A request that a real endpoint would refuse with 400.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Convention {
  const char* pattern;  // in the model's name, lower case
  const char* key;
  bool yxyx;
  double range;  // 0: pixels of the picture as received
};

// As the models of these names answer, whatever the prompt says. The first match counts.
constexpr std::array<Convention, 12> kConventions = {{{"gemini", "box_2d", true, 1000},
                                                      {"gemma", "bbox_2d", true, 1000},
                                                      {"kimi", "bbox", true, 1000},
                                                      {"qwen2.5", "bbox_2d", false, 0},
                                                      {"cosmos-reason1", "bbox_2d", false, 0},
                                                      {"qwen", "bbox_2d", false, 1000},
                                                      {"cosmos", "bbox_2d", false, 1000},
                                                      {"internvl", "bbox", false, 1000},
                                                      {"nemotron", "bbox", false, 1000},
                                                      {"mistral-large", "bbox", false, 999},
                                                      {"grok", "bbox", false, 100},
                                                      {"", "bbox", false, 0}}};

const Convention& convention_of(const std::string& model) {
  const std::string name = alig::ascii_lower(model);
  return *std::find_if(kConventions.begin(), kConventions.end(), [&](const Convention& c) {
    return name.find(c.pattern) != std::string::npos;
  });
}

Json box_json(const cv::Rect2d& box, const cv::Size& size, const Convention& convention) {
  const double sx = convention.range > 0 ? convention.range / size.width : 1;
  const double sy = convention.range > 0 ? convention.range / size.height : 1;
  // One decimal where the grid is coarse, as such models do.
  const double unit = convention.range > 0 && convention.range <= 100 ? 10 : 1;
  const auto number = [&](double value) -> Json {
    const double rounded = std::round(value * unit) / unit;
    if (unit > 1) return rounded;
    return static_cast<int>(rounded);
  };
  const Json x1 = number(box.x * sx), x2 = number((box.x + box.width) * sx);
  const Json y1 = number(box.y * sy), y2 = number((box.y + box.height) * sy);
  return convention.yxyx ? Json{y1, x1, y2, x2} : Json{x1, y1, x2, y2};
}

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
cv::Mat decode_picture(const std::string& bytes) {
  const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  cv::Mat picture;
  if (!bytes.empty()) {
    picture = cv::imdecode(buffer, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  }
  if (picture.empty()) throw BadRequest("cannot identify image file");
  return picture;
}

cv::Mat picture_of_url(const std::string& url) {
  constexpr std::string_view kFile = "file://";
  if (url.rfind(kFile, 0) == 0) {
    std::ifstream in(url.substr(kFile.size()), std::ios::binary);
    return decode_picture({std::istreambuf_iterator<char>(in), {}});
  }
  const std::size_t comma = url.find(";base64,");
  if (url.rfind("data:image/", 0) != 0 || comma == std::string::npos) {
    throw BadRequest("image_url must be a data URL");
  }
  return decode_picture(decode_base64(url.substr(comma + 8)));
}

// The JSON behind "name: " at the beginning of a line of the prompt.
std::optional<Json> field(const std::string& prompt, const std::string& name) {
  const std::size_t at = ("\n" + prompt).find("\n" + name + ": ");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + name.size() + 2;
  Json value = Json::parse(prompt.substr(begin, prompt.find('\n', begin) - begin), nullptr, false);
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

Json grounding(const Json& expressions, const cv::Mat& picture, const Convention& convention,
               EyeKind eyes) {
  const std::vector<Sighting> seen = see(picture, eyes);
  Json groundings = Json::array();
  for (const Json& expression : expressions) {
    const std::string text = expression.at("text").get<std::string>();
    Json instances = Json::array();
    for (const Sighting& sighting : matching(text, seen)) {
      Json instance = Json::object();
      instance[convention.key] = box_json(sighting.box, picture.size(), convention);
      instance["score"] = std::round(sighting.score * 100) / 100;
      instances.push_back(std::move(instance));
    }
    groundings.push_back(
        {{"id", expression.at("id")}, {"text", text}, {"instances", std::move(instances)}});
  }
  Json out = Json::object();
  out["groundings"] = std::move(groundings);
  return out;
}

struct Question {
  std::string model;
  std::string prompt;
  cv::Mat picture;  // empty: text only
  bool json_only = false;
};

struct Answer {
  std::string text;
  int input_tokens = 0, output_tokens = 0;
  Json log;
};

Answer think(const Question& question, EyeKind eyes) {
  Answer answer;
  answer.log = {{"model", question.model},
                {"width", question.picture.cols},
                {"height", question.picture.rows}};
  Json result;
  if (const auto expressions = field(question.prompt, "Expressions"); expressions) {
    if (question.picture.empty()) throw BadRequest("no picture to look at");
    answer.log["step"] = "1";
    answer.log["expressions"] = *expressions;
    result = grounding(*expressions, question.picture, convention_of(question.model), eyes);
  } else if (const auto caption = field(question.prompt, "Caption"); caption) {
    answer.log["step"] = "0";
    answer.log["caption"] = *caption;
    result = extraction(caption->get<std::string>());
  } else {
    throw BadRequest(
        "the demo teacher reads prompts with a line \"Caption: …\" or \"Expressions: …\"");
  }
  answer.text = result.dump(2);
  // Without a schema real models like to put a fence around their JSON.
  if (!question.json_only) answer.text = "```json\n" + answer.text + "\n```";
  constexpr int kCharactersPerToken = 4, kTokensPerPicture = 258;
  answer.input_tokens = static_cast<int>(question.prompt.size()) / kCharactersPerToken +
                        (question.picture.empty() ? 0 : kTokensPerPicture);
  answer.output_tokens = static_cast<int>(answer.text.size()) / kCharactersPerToken;
  return answer;
}

Question read_openai(const Json& body) {
  Question question;
  question.model = body.at("model").get<std::string>();
  question.json_only = body.contains("response_format");
  for (const Json& part : body.at("messages").at(0).at("content")) {
    if (part.at("type") == "image_url") {
      question.picture = picture_of_url(part.at("image_url").at("url").get<std::string>());
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
      question.picture =
          decode_picture(decode_base64(part["inlineData"].at("data").get<std::string>()));
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

Reply answer_openai(const std::string& body, EyeKind eyes) {
  try {
    const Question question = read_openai(Json::parse(body));
    const Answer answer = think(question, eyes);
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

Reply answer_gemini(const std::string& model, const std::string& body, EyeKind eyes) {
  try {
    const Answer answer = think(read_gemini(model, Json::parse(body)), eyes);
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
