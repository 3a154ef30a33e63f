#include <filesystem>
#include <map>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/spec/spec_keys.h"
#include "tests/unit/spec/load_spec_support.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(LoadSpecTest, DefaultsAreTheContracts) {
  const Spec spec = good("");
  EXPECT_EQ(spec.results_dir, "out");
  EXPECT_EQ(spec.vlm.backend, Backend::kGemini);
  EXPECT_EQ(spec.vlm.gemini.model, "gemini-3.1-flash-lite-preview");
  EXPECT_EQ(spec.vlm.gemini.media_resolution, "MEDIA_RESOLUTION_HIGH");
  EXPECT_EQ(spec.vlm.gemini.temperature, 0.3);
  EXPECT_EQ(spec.vlm.gemini.max_output_tokens, 8192);
  EXPECT_EQ(spec.vlm.gemini.timeout, 120);
  EXPECT_EQ(spec.vlm.gemini.base_url, "https://generativelanguage.googleapis.com");
  EXPECT_EQ(spec.vlm.openai.temperature, 0.7);
  EXPECT_EQ(spec.vlm.openai.max_tokens, 4096);
  EXPECT_EQ(spec.vlm.openai.timeout, 60);
  EXPECT_EQ(spec.vlm.openai.image_transport, ImageTransport::kInline);
  EXPECT_EQ(spec.vlm.coordinates, "auto");
  EXPECT_EQ(spec.vlm.structured_output, StructuredOutput::kAuto);
  EXPECT_EQ(spec.vlm.max_retries, 5);
  EXPECT_EQ(spec.vlm.rate_limit_patience, 900);
  EXPECT_EQ(spec.workflow.steps, StepSet::all());
  EXPECT_EQ(spec.workflow.max_workers, 4);
  EXPECT_FALSE(spec.workflow.force_reprocess);
  EXPECT_EQ(spec.workflow.max_failure_ratio, 0.5);
  EXPECT_EQ(spec.workflow.merge_iou, 0.95);
  EXPECT_EQ(spec.data.on_missing_image, OnMissingImage::kFail);
  EXPECT_EQ(spec.data.max_image_pixels, 200'000'000);
  EXPECT_EQ(spec.output.report_limit, 1000);
}

TEST(LoadSpecTest, TheDefaultFileHoldsTheDefaults) {
  const Spec from_file = good(default_spec_yaml("elsewhere"));
  const Spec spec = good("");
  EXPECT_EQ(from_file.results_dir, "out") << "the override wins";
  EXPECT_EQ(from_file.vlm.gemini.model, spec.vlm.gemini.model);
  EXPECT_EQ(from_file.workflow.max_workers, spec.workflow.max_workers);
  EXPECT_EQ(from_file.vlm.rate_limit_patience, spec.vlm.rate_limit_patience);
  for (const SpecKey& key : spec_keys()) {
    const std::string line = " " + key.path.substr(key.path.rfind('.') + 1) + ":";
    const bool listed = default_spec_yaml("x").find(line) != std::string::npos;
    EXPECT_EQ(listed, !key.ignored) << key.path;
  }
}

TEST(LoadSpecTest, TheSchemaSaysWhatIsIgnoredAndWhatIsSecret) {
  const auto keys = nlohmann::json::parse(spec_keys_json());
  EXPECT_EQ(keys.size(), spec_keys().size());
  std::vector<std::string> ignored, secret;
  for (const auto& key : keys) {
    if (key.at("ignored")) ignored.push_back(key.at("path"));
    if (key.at("secret")) secret.push_back(key.at("path"));
    if (key.at("path") == "workflow.long_video_sample_fps") {
      EXPECT_EQ(key.at("type"), "float");
      EXPECT_EQ(key.at("default"), 0.5);
    }
  }
  EXPECT_THAT(secret,
              ElementsAre("vlm.gemini.api_key", "vlm.openai.api_key", "vlm.openai.extra_headers"));
  EXPECT_THAT(ignored,
              ElementsAre("workflow.long_video_threshold_sec", "workflow.long_video_sample_fps",
                          "workflow.long_video_max_frames"));
}

TEST(LoadSpecTest, FindsTheNameOfASecret) {
  EXPECT_EQ(end_of_secret_name("vlm.openai={api_key: x}"), 19U);
  EXPECT_EQ(end_of_secret_name("vlm.openai.model_name=m"), std::string_view::npos);
}

TEST(LoadSpecTest, EveryShippedSpecLoads) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ALIG_SPECS_DIR)) {
    ++count;
    const auto spec = load_spec_file(entry.path(), kRequired);
    EXPECT_TRUE(spec) << entry.path() << ": " << (spec ? "" : spec.error().message);
    EXPECT_THAT(read_file(entry.path()).value(), HasSubstr("coordinates:"))
        << entry.path() << " must hold a key that no other schema knows";
  }
  EXPECT_GE(count, 6);
}

TEST(LoadSpecTest, AcceptsAWholeDispatcherSpec) {
  const Spec spec = good(R"(
gpu_ids: [0]
num_gpus: 1
batch_size: 4
num_workers: 8
autolabel_type: image_grounding
mal: {dataset: {anything: 1}}
grounding_dino: {}
video_reasoning_annotation: {vlm: {backend: gemini}}
a_type_of_next_year: {vlm: {backend: gemini}}
results_dir: ???
image_grounding:
  vlm: {backend: openai, openai: {base_url: "http://h:1/v1/chat/completions/", model_name: m, extra_body: {chat_template_kwargs: {enable_thinking: false}}}}
  workflow: {steps: [0, 1], max_workers: "64", long_video_threshold_sec: x, long_video_sample_fps: 0.5,
             long_video_max_frames: 60, force_reprocess: yes}
)",
                         {"module_name=auto_label", "autolabel_type=image_grounding"});
  EXPECT_EQ(spec.vlm.openai.base_urls, std::vector<std::string>{"http://h:1/v1"});
  EXPECT_EQ((*spec.vlm.openai.extra_body)["chat_template_kwargs"]["enable_thinking"], false);
  EXPECT_EQ(spec.workflow.max_workers, 64);
  EXPECT_TRUE(spec.workflow.force_reprocess);
}

TEST(LoadSpecTest, ComplaintsNameTheKeyThePlaceAndTheCure) {
  struct Case {
    const char* yaml;
    std::vector<const char*> said;
  };
  for (const Case& c : {
           Case{"image_grounding:\n  workflow:\n    max_wokers: 3",
                {"spec.yaml:3", "image_grounding.workflow.max_wokers",
                 "did you mean image_grounding.workflow.max_workers"}},
           Case{"image_grounding:\n  workflow:\n    temperature: 3",
                {"temperature", "did you mean"}},
           Case{"image_grounding: {vml: {backend: gemini}}", {"did you mean image_grounding.vlm?"}},
           Case{"image_grounding: {vlm: {opnai: {}}}",
                {"did you mean image_grounding.vlm.openai?"}},
           Case{"image_grounding: {vlm: {temprature: 1}}",
                {"did you mean image_grounding.vlm.gemini.temperature"}},
           Case{"image_grounding:\n  workflow:\n    max_workers: many",
                {"spec.yaml:3", "max_workers", "whole number", "many"}},
           Case{"image_grounding:\n  workflow:\n    max_workers: 1.5", {"whole number"}},
           Case{"image_grounding:\n  workflow:\n    max_workers: 0", {"at least 1"}},
           Case{"image_grounding:\n  workflow:\n    max_workers: null", {"whole number"}},
           Case{"image_grounding:\n  workflow: {long_video_threshold: 60}",
                {"unknown key", "did you mean image_grounding.workflow.long_video_threshold_sec"}},
           Case{"image_grounding:\n  workflow: {long_video_chunk: 5}", {"unknown key"}},
           Case{"image_grounding:\n  workflow: 7", {"image_grounding.workflow", "block"}},
           Case{"image_grounding:\n  vlm:\n    backend: gemni", {"gemini, openai", "gemni"}},
           Case{"image_grounding:\n  vlm: {coordinates: xyxy}", {"yxyx_1000"}},
           Case{"image_grounding:\n  workflow: {steps: [2]}", {"steps", "0, 1"}},
           Case{"image_grounding:\n  workflow: {steps: []}", {"steps"}},
           Case{"image_grounding:\n  workflow: {steps: \"0\"}", {"a list"}},
           Case{"image_grounding:\n  output: {report: true}",
                {"output.report", "not available yet"}},
           Case{"image_grounding:\n  output: {exports: [coco]}",
                {"output.exports", "not available yet"}},
           Case{"image_grounding:\n  output: {exports: [voc]}", {"odvg"}},
           Case{"workflow: {}", {"did you mean image_grounding.workflow"}},
           Case{"image_groundin: {}", {"image_groundin"}},
           Case{"image_grounding: {}\nimage_grouding: {}", {"did you mean image_grounding"}},
           Case{"image_grounding: {}\nworkflow: {}", {"did you mean image_grounding.workflow"}},
           Case{"a_type_of_next_year: {}", {"a_type_of_next_year"}},
           Case{"image_grounding: {}\na_number_of_next_year: 1", {"a_number_of_next_year"}},
           Case{"autolabel_type: mal", {"mal"}},
           Case{"a: [", {"spec.yaml"}},
           Case{"image_grounding:\n  vlm: {}\n  vlm: {}", {"spec.yaml:3", "duplicate key"}},
           Case{"- 1", {"mapping"}},
           Case{"image_grounding:\n  vlm: {backend: openai}", {"base_url"}},
           Case{"image_grounding:\n  data: {image_root: \"https://me:pw@host/x\"}",
                {"image_grounding.data.image_root must be a path"}},
           Case{"image_grounding:\n  vlm: {backend: openai, openai: {base_url: \"http://x\"}}",
                {"model_name"}},
           Case{"image_grounding:\n  vlm: {backend: openai, openai: {base_url: \"x\", model_name: "
                "m}}",
                {"http://"}},
           Case{"image_grounding:\n  vlm: {gemini: {api_key: [1]}}", {"api_key", "***"}},
           Case{"image_grounding:\n  data: {image_root: \"${oc.env:ALIG_SURELY_NOT_SET}\"}",
                {"ALIG_SURELY_NOT_SET"}},
           Case{"image_grounding:\n  data: {image_root: \"${results_dir}\"}", {"interpolation"}},
       }) {
    const std::string message = complaint(c.yaml);
    for (const char* part : c.said) EXPECT_THAT(message, HasSubstr(part)) << c.yaml;
  }
}

TEST(LoadSpecTest, WhatMustBeGivenIsAskedFor) {
  const auto no_results = load_spec({"", "s"}, {"image_grounding.data.input_jsonl=x"});
  ASSERT_FALSE(no_results);
  EXPECT_THAT(no_results.error().message, HasSubstr("results_dir"));
  const auto no_input = load_spec({"results_dir: x", "s"}, {});
  ASSERT_FALSE(no_input);
  EXPECT_THAT(no_input.error().message, HasSubstr("data.input_jsonl"));
  EXPECT_TRUE(load_spec({"results_dir: x", "s"}, {"image_grounding.workflow.steps=[1]"}));
}

TEST(LoadSpecTest, OverridesFollowHydrasGrammar) {
  struct Case {
    const char* value;
    const char* wanted;
  };
  for (const Case& c : {Case{"a b", "a b"}, Case{"'a b'", "a b"}, Case{"\"a, b\"", "a, b"},
                        Case{"", ""}, Case{"/data/x=y:z", "/data/x=y:z"}, Case{"'it\\'s'", "it's"},
                        Case{"a\\,b", "a,b"}, Case{"123", "123"}, Case{" x ", "x"}}) {
    for (const char* prefix : {"", "+", "++"}) {
      const std::string text = std::string(prefix) + "image_grounding.data.image_root=" + c.value;
      EXPECT_EQ(good("", {text}).data.image_root, c.wanted) << text;
    }
  }
  EXPECT_EQ(good("", {"image_grounding.workflow.steps=[0]"}).workflow.steps,
            StepSet{Step::kExtraction});
  EXPECT_EQ(good("", {"image_grounding.workflow.steps=[\"1\"]"}).workflow.steps,
            StepSet{Step::kGrounding});
  EXPECT_TRUE(good("", {"image_grounding.workflow.force_reprocess=true"}).workflow.force_reprocess);
  EXPECT_EQ(good("", {"image_grounding.vlm.gemini.temperature=1"}).vlm.gemini.temperature, 1);
  const Spec body = good("", {"image_grounding.vlm.openai.extra_body.a.b=false",
                              "image_grounding.vlm.openai.extra_body.c={d: [1, x], e: null}"});
  EXPECT_EQ(body.vlm.openai.extra_body->dump(), R"({"a":{"b":false},"c":{"d":[1,"x"],"e":null}})");
}

TEST(LoadSpecTest, OnAndOffNeedNoQuotes) {
  const std::string block = "image_grounding:\n  vlm:\n    structured_output: ";
  for (const char* word : {"off", "'off'", "Off", "false", "'False'"}) {
    EXPECT_EQ(good(block + word).vlm.structured_output, StructuredOutput::kOff) << word;
    EXPECT_EQ(good("", {std::string("image_grounding.vlm.structured_output=") + word})
                  .vlm.structured_output,
              StructuredOutput::kOff)
        << word;
  }
  for (const char* word : {"on", "true", "\"on\""}) {
    EXPECT_EQ(good(block + word).vlm.structured_output, StructuredOutput::kOn) << word;
  }
  EXPECT_EQ(good(block + "auto").vlm.structured_output, StructuredOutput::kAuto);
}

TEST(LoadSpecTest, BadOverridesAreNamed) {
  struct Case {
    const char* text;
    const char* said;
  };
  for (const Case& c : {Case{"nonsense", "key=value"}, Case{"=x", "key is empty"},
                        Case{"~image_grounding.vlm", "deleted"},
                        Case{"image_grounding.workflow.max_workers=1,2", "sweep"},
                        Case{"image_grounding.workflow.steps=[0", "not closed"},
                        Case{"image_grounding.data.image_root='x", "quote"},
                        Case{"vlm.backend=gemini", "image_grounding.vlm"},
                        Case{"image_grounding.data.image_rot=x", "image_root"}}) {
    EXPECT_THAT(complaint("", {c.text}), HasSubstr(c.said)) << c.text;
  }
  const std::string message =
      complaint("", {"image_grounding.vlm.gemini.api_key=sk-secret,sk-other"});
  EXPECT_THAT(message, Not(HasSubstr("sk-secret")));
}

TEST(LoadSpecTest, EnvironmentInValues) {
  ::setenv("ALIG_TEST_ROOT", "/somewhere", 1);
  EXPECT_EQ(
      good("image_grounding: {data: {image_root: \"${oc.env:ALIG_TEST_ROOT}/x\"}}").data.image_root,
      "/somewhere/x");
  EXPECT_EQ(
      good("", {"image_grounding.data.image_root=${oc.env:ALIG_NOT_SET,fallback}"}).data.image_root,
      "fallback");
}

TEST(LoadSpecTest, TheDefaultFileHoldsAnyFolder) {
  const std::pair<std::string, std::string> cases[] = {
      {"/a \"b\" \\ 'c': #d", "/a \"b\" \\ 'c': #d"},
      {"/größe/猫\t\x7f", "/größe/猫\t\x7f"},
      {"/latin\xe9", "/latin\uFFFD"}};
  for (const auto& [folder, expected] : cases) {
    const auto spec = load_spec({default_spec_yaml(folder), "default.yaml"},
                                {"image_grounding.data.input_jsonl=in.jsonl"});
    ASSERT_TRUE(spec) << folder << ": " << spec.error().message;
    EXPECT_EQ(spec->results_dir, expected);
  }
}

TEST(WriteDefaultSpecTest, AnEditedFileIsKept) {
  const TemporaryFolder folder;
  const auto path = folder / "experiment.yaml";
  const auto first = write_default_spec(folder.path(), "out");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->path, path);
  EXPECT_EQ(first->kept, "");
  EXPECT_EQ(read_text(path), default_spec_yaml("out"));
  const auto written_at = std::filesystem::last_write_time(path);
  const auto same = write_default_spec(folder.path(), "out");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->kept, "");
  EXPECT_EQ(std::filesystem::last_write_time(path), written_at) << "not written again";
  for (const char* name : {"experiment.previous.yaml", "experiment.previous-2.yaml"}) {
    const std::string edited = std::string("edited: ") + name;
    write_text(path, edited);
    const auto again = write_default_spec(folder.path(), "out");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->kept, folder / name);
    EXPECT_EQ(read_text(folder / name), edited);
    EXPECT_EQ(read_text(path), default_spec_yaml("out"));
  }
}

TEST(WriteDefaultSpecTest, AnErrorNamesTheFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "experiment.yaml");
  const auto written = write_default_spec(folder.path(), "out");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr((folder / "experiment.yaml").string()));
}

TEST(LoadSpecTest, NoBadOverrideRepeatsAKey) {
  for (const char* text :
       {"image_grounding.vlm.openai.api_key=[hush]",
        "image_grounding.vlm.openai={api_key: hush, modle_name: x}",
        "image_grounding.vlm.openai={'api_key': hush, model_name: []}",
        "image_grounding.vlm.openai={api\\_key: hush, modle_name: x}",
        "image_grounding.vlm={openai: {api_key: hush}", "image_grounding.vlm.openai.api_key.x=hush",
        "image_grounding.vlm.openai.api_key hush", "image_grounding.vlm.openai.api_key:hush"}) {
    const auto spec = load_spec({"", "spec.yaml"}, {text});
    ASSERT_FALSE(spec) << text;
    EXPECT_EQ(spec.error().message.find("hush"), std::string::npos) << spec.error().message;
    EXPECT_NE(spec.error().message.find("image_grounding.vlm"), std::string::npos)
        << spec.error().message;
  }
}

TEST(LoadSpecTest, ASpecWithoutEndIsRefused) {
  std::string deep = "image_grounding: {vlm: {openai: {extra_body: ";
  for (int i = 0; i < 100; ++i) deep += "{a: ";
  deep += "1" + std::string(103, '}');
  const std::string specs[] = {"image_grounding: &x {vlm: *x}\n", "a: &x [*x]\n", deep,
                               "image_grounding: &x\n  vlm: {gemini: [1, {a: *x}]}\n"};
  for (const std::string& text : specs) {
    const auto spec = load_spec({text, "spec.yaml"}, {});
    ASSERT_FALSE(spec) << text;
    EXPECT_NE(spec.error().message.find("nested too deeply"), std::string::npos)
        << text << ": " << spec.error().message;
  }
}

TEST(LoadSpecTest, NoPrefixOfASpecCrashes) {
  const std::string text = default_spec_yaml("out");
  for (std::size_t i = 0; i < text.size(); i += 7) (void)load_spec({text.substr(0, i), "s"}, {});
  (void)load_spec({std::string(100'000, '['), "s"}, {});
  (void)load_spec({std::string(100'000, '{'), "s"}, {});
  EXPECT_FALSE(load_spec({"a: &a [x]\nb: *c\n", "s"}, {}));
}

TEST(LoadSpecTest, AnOverrideIsBlamedForTheBlocksThatItMakes) {
  for (const char* key : {"image_grounding.vlm.opnai.base_url", "+image_grounding.foo.bar",
                          "image_grounding.workflow.steps.0", "image_grounding..vlm", "a."}) {
    EXPECT_THAT(complaint("image_grounding: {vlm: {backend: openai}}", {std::string(key) + "=1"}),
                ::testing::StartsWith(std::string("override ") + key + ": "));
  }
}

TEST(LoadSpecTest, AMisspeltTopLevelKeyIsNamedWithTheOneThatIsMeant) {
  const struct {
    const char *key, *meant;
  } kCases[] = {{"image_groundng", "did you mean image_grounding?"},
                {"results_dri", "did you mean results_dir?"},
                {"autolable_type", "did you mean autolabel_type?"},
                {"vlm", "did you mean image_grounding.vlm?"},
                {"max_workers", "did you mean image_grounding.workflow.max_workers?"}};
  for (const auto& c : kCases) {
    const auto from_file = load_spec({std::string(c.key) + ": x", "test"}, {"results_dir=out"});
    ASSERT_FALSE(from_file) << c.key;
    EXPECT_THAT(from_file.error().message, HasSubstr(c.meant));
    const auto override = load_spec({"results_dir: out", "test"}, {std::string(c.key) + "=x"});
    ASSERT_FALSE(override) << c.key;
    EXPECT_THAT(override.error().message, HasSubstr(c.meant));
  }
}

}  // namespace
}  // namespace alig
