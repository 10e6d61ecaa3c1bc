package io.peft4j.text;

import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.data.CausalExample.Chat;
import io.peft4j.data.CausalExample.ChatCompletion;
import io.peft4j.data.CausalExample.Completion;
import io.peft4j.data.CausalExample.Instruction;
import io.peft4j.data.CausalExample.Text;
import io.peft4j.data.DataException;
import io.peft4j.data.Truncation;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.text.CausalTokenizer.Located;
import io.peft4j.text.jinja.Template;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Examples to tokens with labels: all of a text, the completion of a prompt, the assistant's turns
 * of a conversation. The tokenizer's end token is put where a text or a completion ends.
 */
public final class CausalEncoder {

  private final CausalTokenizer tokenizer;
  private final int maxLength;

  /**
   * @param maxLength tokens after which an example is cut
   */
  public CausalEncoder(CausalTokenizer tokenizer, int maxLength) {
    if (maxLength < 2) {
      throw new IllegalArgumentException("max_length: expected at least 2, found " + maxLength);
    }
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
  }

  /** What became of a data set. */
  public record Encoded(List<LabelledTokens> examples, Truncation truncation) {}

  /**
   * Tokenizes all of {@code data}, in its order.
   *
   * @throws DataException if an example cannot be, naming its line
   * @throws IllegalArgumentException if there are conversations and no chat template, or nothing to
   *     learn is left
   */
  public Encoded encode(CausalDataset data) {
    List<LabelledTokens> kept = new ArrayList<>();
    int cut = 0;
    int whole = 0;
    int dropped = 0;
    long tokens = 0;
    long lost = 0;
    for (CausalExample example : data.examples()) {
      for (LabelledTokens found : encode(data, example)) {
        whole++;
        tokens += found.length();
        if (example instanceof Text text && text.document()) {
          blocks(found, kept);
          continue;
        }
        LabelledTokens part = found;
        if (found.length() > maxLength) {
          cut++;
          lost += found.length() - maxLength;
          part = found.part(0, maxLength);
        }
        if (part.hasLabels()) {
          kept.add(part);
        } else if (part != found) {
          dropped++;
        } else {
          throw data.problem(example, "nothing to learn: the answer has no tokens");
        }
      }
    }
    Truncation truncation = new Truncation(cut, lost, whole, tokens, dropped);
    if (kept.isEmpty()) {
      throw new IllegalArgumentException(
          data.source()
              + ": nothing to learn is left within max_length "
              + maxLength
              + ": "
              + truncation.summary());
    }
    return new Encoded(List.copyOf(kept), truncation);
  }

  /** All of a long text is kept, in parts. */
  private void blocks(LabelledTokens document, List<LabelledTokens> kept) {
    for (int from = 0; from < document.length(); from += maxLength) {
      LabelledTokens block = document.part(from, Math.min(document.length(), from + maxLength));
      if (block.hasLabels()) {
        kept.add(block);
      }
    }
  }

  private List<LabelledTokens> encode(CausalDataset data, CausalExample example) {
    try {
      if (example instanceof Text text) {
        int[] ids = ended(tokenizer.encode(text.text()), text.text());
        return List.of(new LabelledTokens(ids, ids));
      }
      if (example instanceof Completion completion) {
        return List.of(encode(completion, true));
      }
      if (example instanceof Instruction row && tokenizer.chatTemplate().isEmpty()) {
        return List.of(encode(row.asCompletion(), true));
      }
      if (example instanceof ChatCompletion completion) {
        return List.of(encode(completion));
      }
      return example instanceof Instruction row ? encode(row.asChat()) : encode((Chat) example);
    } catch (DataException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw data.problem(example, e.getMessage());
    }
  }

  private int[] ended(int[] ids, String text) {
    int end = tokenizer.endOfText().orElse(-1);
    boolean there = ids.length > 0 && ids[ids.length - 1] == end;
    // an empty completion is the end token alone, whatever the prompt ends with
    if (end < 0 || (there && !text.isEmpty())) {
      return ids;
    }
    int[] longer = Arrays.copyOf(ids, ids.length + 1);
    longer[ids.length] = end;
    return longer;
  }

  /**
   * Tokenizes prompt and completion as one text. Those tokens are labelled that the prompt by
   * itself does not have: where a token spans the boundary, it belongs to the completion.
   *
   * @param ended whether the end token is put behind
   */
  public LabelledTokens encode(Completion example, boolean ended) {
    int[] prompt = tokenizer.encode(example.prompt());
    int[] whole = tokenizer.encode(example.prompt() + example.completion());
    int[] ids = ended ? ended(whole, example.completion()) : whole;
    int from = Arrays.mismatch(prompt, ids);
    return behind(from < 0 ? ids.length : from, ids);
  }

  /**
   * The completion's messages, and what the template puts around them: as in TRL, whatever is
   * behind as many tokens as the prompt has, with the beginning of an answer.
   */
  private LabelledTokens encode(ChatCompletion example) {
    ChatTemplate template = tokenizer.requireChatTemplate();
    List<Map<String, Object>> all = new ArrayList<>(example.prompt());
    all.addAll(example.completion());
    String prompt = template.render(example.prompt(), true, example.variables()).text();
    String whole = template.render(all, false, example.variables()).text();
    return behind(tokenizer.encodePlain(prompt).ids().length, tokenizer.encodePlain(whole).ids());
  }

  private static LabelledTokens behind(int from, int[] ids) {
    int[] labels = ids.clone();
    Arrays.fill(labels, 0, Math.min(from, ids.length), TokenSequence.IGNORED);
    return new LabelledTokens(ids, labels);
  }

  /**
   * A conversation as one example, the turns to learn labelled: those the template marks with
   * {@code generation}, or what rendering up to a turn and through it differ in. Where a later turn
   * changes how an earlier one is written, as templates do that drop old thoughts, each turn to
   * learn becomes an example of its own, written as the model will see it.
   */
  private List<LabelledTokens> encode(Chat chat) {
    Template.Rendered whole = render(chat, chat.messages().size(), false);
    boolean all = chat.equals(new Chat(chat.messages(), chat.variables(), chat.line()));
    if (!whole.generated().isEmpty() && all) {
      return List.of(labelled(whole.text(), whole.generated()));
    }
    List<int[]> spans = new ArrayList<>();
    List<LabelledTokens> single = new ArrayList<>();
    boolean stable = true;
    for (int i = 0; i < chat.messages().size(); i++) {
      if (chat.learnt().get(i)) {
        String before = render(chat, i, true).text();
        Template.Rendered through = render(chat, i + 1, false);
        int[] span = {commonPrefix(before, through.text()), through.text().length()};
        List<int[]> marked =
            through.generated().stream().filter(part -> part[1] > span[0]).toList();
        List<int[]> parts = marked.isEmpty() ? List.of(span) : marked;
        stable &= whole.text().startsWith(through.text());
        spans.addAll(parts);
        single.add(labelled(through.text(), parts));
      }
    }
    return stable ? List.of(labelled(whole.text(), spans)) : single;
  }

  private Template.Rendered render(Chat chat, int messages, boolean prompt) {
    List<Map<String, Object>> part = chat.messages().subList(0, messages);
    return tokenizer.requireChatTemplate().render(part, prompt, chat.variables());
  }

  private static int commonPrefix(String a, String b) {
    int n = 0;
    while (n < Math.min(a.length(), b.length()) && a.charAt(n) == b.charAt(n)) {
      n++;
    }
    return n;
  }

  private LabelledTokens labelled(String text, List<int[]> spans) {
    Located located = tokenizer.encodePlain(text);
    int[] labels = new int[located.ids().length];
    for (int t = 0; t < labels.length; t++) {
      int start = located.starts()[t];
      int end = Math.max(start + 1, located.ends()[t]);
      boolean learnt = spans.stream().anyMatch(span -> start < span[1] && end > span[0]);
      labels[t] = learnt ? located.ids()[t] : TokenSequence.IGNORED;
    }
    return new LabelledTokens(located.ids(), labels);
  }
}
