-- msg.reply_text: replies as mail programs write them, by kind; { kind, text or { html = ... }, the reply }. Returns how
-- many are right; raises with the kinds that are not.

local reply_text = require "mxhook.reply_text"

local cases = {
    -- Gmail
    { "gmail, on the web", "Thanks, that works!\r\n\r\nOn Tue, Mar 3, 2026 at 10:12 AM Acme Support <support@acme.example> wrote:\r\n\r\n> Hi Ada,\r\n>\r\n> please try again.\r\n", "Thanks, that works!" },
    { "gmail, folded", "Works.\n\nOn Tue, Mar 3, 2026 at 10:12 AM Acme Support via Tickets <\nticket+4711@reply.acme.example> wrote:\n\n> Hi\n", "Works." },
    { "gmail, German", "Danke!\n\nAm Di., 3. März 2026 um 10:12 Uhr schrieb Acme Support <\nsupport@acme.example>:\n\n> Hallo\n", "Danke!" },
    { "gmail, French", "Merci !\n\nLe mar. 3 mars 2026 à 10:12, Acme Support <support@acme.example> a\nécrit :\n\n> Bonjour\n", "Merci !" },
    { "gmail, Spanish", "¡Gracias!\n\nEl mar, 3 mar 2026 a las 10:12, Acme Support (<support@acme.example>)\nescribió:\n\n> Hola\n", "¡Gracias!" },
    { "gmail, Italian", "Grazie\n\nIl giorno mar 3 mar 2026 alle ore 10:12 Acme <support@acme.example> ha\nscritto:\n\n> Ciao\n", "Grazie" },
    { "gmail, Dutch", "Bedankt\n\nOp di 3 mrt 2026 om 10:12 schreef Acme Support <support@acme.example>:\n\n> Hoi\n", "Bedankt" },
    { "gmail, Portuguese", "Obrigado\n\nEm ter., 3 de mar. de 2026 às 10:12, Acme <support@acme.example>\nescreveu:\n\n> Oi\n", "Obrigado" },
    { "gmail, Japanese", "ありがとうございます。\n\n2026年3月3日(火) 10:12 Acme Support <support@acme.example>:\n\n> こんにちは\n", "ありがとうございます。" },
    { "gmail, Polish", "Dzięki\n\nwt., 3 mar 2026 o 10:12 Acme Support <support@acme.example> napisał(a):\n\n> Cześć\n", "Dzięki" },
    { "gmail, Danish", "Tak\n\nDen tirs. 3. mar. 2026 kl. 10.12 skrev Acme <support@acme.example>:\n\n> Hej\n", "Tak" },
    { "gmail, Swedish", "Tack\n\nDen tis 3 mars 2026 kl 10:12 skrev Acme <support@acme.example>:\n\n> Hej\n", "Tack" },
    { "gmail, Finnish", "Kiitos\n\nti 3. maalisk. 2026 klo 10.12 Acme (support@acme.example) kirjoitti:\n\n> Hei\n", "Kiitos" },
    { "gmail, Russian", "Спасибо\n\nвт, 3 мар. 2026 г. в 10:12, Acme <support@acme.example>:\n\n> Привет\n", "Спасибо" },
    { "gmail, Chinese", "谢谢\n\nAcme Support <support@acme.example> 于2026年3月3日周二 10:12写道：\n\n> 你好\n", "谢谢" },
    { "gmail, Korean", "감사합니다\n\n2026년 3월 3일 (화) 오전 10:12, Acme <support@acme.example>님이 작성:\n\n> 안녕\n", "감사합니다" },
    -- Outlook
    { "outlook, English", "Please close it.\n\nFrom: Acme Support <support@acme.example>\nSent: Tuesday, March 3, 2026 10:12 AM\nTo: Ada <ada@a.example>\nSubject: RE: Ticket\n\nHi Ada,\n", "Please close it." },
    { "outlook, rule before", "Please close it.\n\n________________________________\nFrom: Acme\nSent: Tuesday\nTo: Ada\nSubject: x\n\nHi\n", "Please close it." },
    { "outlook, rule and empty line", "Ok.\n\n________________________________\n\nFrom: Acme\nSent: Tuesday\nTo: Ada\n\nHi\n", "Ok." },
    { "outlook, German", "Bitte schließen.\n\nVon: Acme Support <support@acme.example>\nGesendet: Dienstag, 3. März 2026 10:12\nAn: Ada\nBetreff: AW: Ticket\n\nHallo\n", "Bitte schließen." },
    { "outlook, French", "Fermez-le.\n\nDe : Acme <support@acme.example>\nEnvoyé : mardi 3 mars 2026 10:12\nÀ : Ada\nObjet : RE: Ticket\n\nBonjour\n", "Fermez-le." },
    { "outlook, Spanish", "Cierre.\n\nDe: Acme <support@acme.example>\nEnviado: martes, 3 de marzo de 2026 10:12\nPara: Ada\nAsunto: RE: Ticket\n\nHola\n", "Cierre." },
    { "outlook, Dutch", "Sluiten maar.\n\nVan: Acme <support@acme.example>\nVerzonden: dinsdag 3 maart 2026 10:12\nAan: Ada\nOnderwerp: RE: Ticket\n\nHoi\n", "Sluiten maar." },
    { "outlook, Italian", "Chiudete.\n\nDa: Acme <support@acme.example>\nInviato: martedì 3 marzo 2026 10:12\nA: Ada\nOggetto: R: Ticket\n\nCiao\n", "Chiudete." },
    { "outlook, Japanese", "閉じてください。\n\n差出人: Acme <support@acme.example>\n送信日時: 2026年3月3日 10:12\n宛先: Ada\n件名: RE: Ticket\n\nこんにちは\n", "閉じてください。" },
    { "outlook, bold fields", "Done.\n\n*From:* Acme <support@acme.example>\n*Sent:* Tuesday, March 3, 2026 10:12 AM\n*To:* Ada\n*Subject:* RE\n\nHi\n", "Done." },
    { "outlook, original message", "Done.\n\n-----Original Message-----\nFrom: Acme [mailto:support@acme.example]\nSent: Tuesday\n\nHi\n", "Done." },
    { "outlook, German original", "Fertig.\n\n-----Ursprüngliche Nachricht-----\nVon: Acme\n\nHallo\n", "Fertig." },
    { "outlook, French original", "Fait.\n\n-----Message d'origine-----\nDe : Acme\n\nBonjour\n", "Fait." },
    { "outlook, Dutch original", "Klaar.\n\n-----Oorspronkelijk bericht-----\nVan: Acme\n\nHoi\n", "Klaar." },
    { "outlook for phones", "On my way\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\nFrom: Acme\nSent: Tuesday\nTo: Ada\n\nHi\n", "On my way" },
    -- Apple Mail
    { "apple mail", "Perfect.\n\n> On 3 Mar 2026, at 10:12, Acme Support <support@acme.example> wrote:\n> \n> Hi Ada,\n", "Perfect." },
    { "apple mail, not quoted", "Perfect.\n\nOn 3. Mar 2026, at 10:12, Acme Support <support@acme.example> wrote:\n\nHi Ada,\nplease\n", "Perfect." },
    { "apple mail, German", "Perfekt.\n\n> Am 03.03.2026 um 10:12 schrieb Acme Support <support@acme.example>:\n> \n> Hallo\n", "Perfekt." },
    { "apple mail, forwarded", "See this.\n\nBegin forwarded message:\n\nFrom: Acme\nSubject: x\nDate: y\nTo: z\n\nHi\n", "See this." },
    -- Thunderbird
    { "thunderbird", "No idea.\n\nOn 3/3/26 10:12, Acme Support wrote:\n> Hi\n", "No idea." },
    { "thunderbird, German", "Keine Ahnung.\n\nAm 03.03.26 um 10:12 schrieb Acme Support:\n> Hallo\n", "Keine Ahnung." },
    { "thunderbird, French", "Aucune idée.\n\nLe 03/03/2026 à 10:12, Acme Support a écrit :\n> Bonjour\n", "Aucune idée." },
    { "thunderbird, Spanish", "Ni idea.\n\nEl 3/3/26 a las 10:12, Acme Support escribió:\n> Hola\n", "Ni idea." },
    { "thunderbird, Dutch", "Geen idee.\n\nOp 03-03-2026 om 10:12 schreef Acme Support:\n> Hoi\n", "Geen idee." },
    { "thunderbird, Japanese", "わかりません。\n\nOn 2026/03/03 10:12, Acme Support wrote:\n> こんにちは\n", "わかりません。" },
    { "thunderbird, signature above nothing", "No.\n\n-- \nAda Lovelace\nAnalyst\n\nOn 3/3/26 10:12, Acme wrote:\n> Hi\n", "No." },
    { "thunderbird, forwarded", "FYI\n\n-------- Forwarded Message --------\nSubject: x\nDate: y\nFrom: z\n\nHi\n", "FYI" },
    { "thunderbird, German forwarded", "Z. K.\n\n-------- Weitergeleitete Nachricht --------\nBetreff: x\n\nHallo\n", "Z. K." },
    -- phones
    { "iphone", "Yes please\n\nSent from my iPhone\n\n> On Mar 3, 2026, at 10:12 AM, Acme <support@acme.example> wrote:\n> \n> Hi\n", "Yes please" },
    { "iphone, German", "Ja bitte\n\nVon meinem iPhone gesendet\n\n> Am 03.03.2026 um 10:12 schrieb Acme <support@acme.example>:\n> \n> Hallo\n", "Ja bitte" },
    { "iphone, French", "Oui\n\nEnvoyé de mon iPhone\n\n> Le 3 mars 2026 à 10:12, Acme <support@acme.example> a écrit :\n> \n> Bonjour\n", "Oui" },
    { "iphone, Dutch", "Ja\n\nVerstuurd vanaf mijn iPhone\n\n> Op 3 mrt. 2026 om 10:12 heeft Acme <support@acme.example> het volgende geschreven:\n> \n> Hoi\n", "Ja" },
    { "iphone, Spanish", "Sí\n\nEnviado desde mi iPhone\n\n> El 3 mar 2026, a las 10:12, Acme <support@acme.example> escribió:\n> \n> Hola\n", "Sí" },
    { "iphone, Japanese", "はい\n\niPhoneから送信\n\n> 2026/03/03 10:12、Acme <support@acme.example>のメール:\n> \n> こんにちは\n", "はい" },
    { "samsung", "Ok\n\nSent from my Galaxy\n\n-------- Original message --------\nFrom: Acme <support@acme.example>\nDate: 3/3/26 10:12 (GMT+01:00)\nTo: Ada\n\nHi\n", "Ok" },
    { "android, German", "Passt\n\nGesendet von meinem Samsung Galaxy Smartphone.\n\n-------- Ursprüngliche Nachricht --------\nVon: Acme\nDatum: 03.03.26 10:12\nAn: Ada\n\nHallo\n", "Passt" },
    { "yahoo", "Fine\n\nSent from Yahoo Mail on Android\n\nOn Tue, Mar 3, 2026 at 10:12, Acme<support@acme.example> wrote:\nHi\n", "Fine" },
    { "proton", "Good.\n\nSent from Proton Mail for iOS\n\nOn Tue, Mar 3, 2026 at 10:12, Acme <[support@acme.example](mailto:On Tue)> wrote:\n\n> Hi\n", "Good." },
    { "proton, on the web", "Good.\n\nSent with Proton Mail secure email.\n\nOn Tuesday, March 3rd, 2026 at 10:12 AM, Acme <support@acme.example> wrote:\n\n> Hi\n", "Good." },
    -- where the answer stands
    { "below", "On 3/3/26 10:12, Acme wrote:\n> Is it plugged in?\n\nYes, it is.\n", "Yes, it is." },
    { "below, with a signature", "On 3/3/26 10:12, Acme wrote:\n> Is it plugged in?\n\nYes, it is.\n\n-- \nAda\n", "Yes, it is." },
    { "between", "On 3/3/26 10:12, Acme wrote:\n> Is it plugged in?\nYes.\n\n> Is it on?\nNo.\n> Bye\n", "Yes.\n\nNo." },
    { "above and below", "See below.\n\nOn 3/3/26 10:12, Acme wrote:\n> First?\nOne.\n> Second?\nTwo.\n", "See below.\n\nOne.\nTwo." },
    { "quoted twice", "Third.\n\nOn 3/3/26 10:14, Bob wrote:\n> Second.\n>\n> On 3/3/26 10:12, Acme wrote:\n>> First.\n", "Third." },
    { "quotes without an introduction", "> Is it?\nYes.\n", "Yes." },
    -- what is nobody's quote
    { "a sentence with wrote", "On Monday 3 people wrote to me:\nall of them angry.\n", "On Monday 3 people wrote to me:\nall of them angry." },
    { "fields in prose", "From: here to there.\nTo: be or not.\n", "From: here to there.\nTo: be or not." },
    { "two dashes in prose", "A -- and B\n--- end of list ---\nC", "A -- and B\n--- end of list ---\nC" },
    { "an address and a colon", "Please write to Bob <bob@a.example>:\nhe knows.", "Please write to Bob <bob@a.example>:\nhe knows." },
    { "a list by date", "On 3 March:\n1. buy milk\n2. sell it", "On 3 March:\n1. buy milk\n2. sell it" },
    { "greater than", "if a\n>b then", "if a" },
    { "only a signature", "-- \nAda\n", "" },
    { "only a quote", "On 3/3/26 10:12, Acme wrote:\n> Hi\n", "" },
    { "helpdesk's line", "My answer\n\n--- Please reply above this line ---\n\nYour ticket\n", "My answer" },
    -- others, which it was not written for
    { "other 1", "Hello\n\nOn Wed, 4 Feb 2026, 15:03 Bob, <bob@b.example> wrote:\n\n> x","Hello" },
    { "other 2", "Hej\n\nFrån: Acme <a@b.example>\nSkickat: den 3 mars 2026\nTill: Ada\nÄmne: x\n\nold","Hej" },
    { "other 3", "Ok\n\nOd: Acme\nWysłano: 3 marca\nDo: Ada\nTemat: x\n\nold","Ok" },
    { "other 4", "Gut\n\nVon: a@b.example\nDatum: 3. März 2026\nAn: c@d.example\nBetreff: x\n\nold","Gut" },
    { "other 5", "Bien\n\nLe mardi 3 mars 2026 à 10:12:11 UTC+1, Acme <a@b.example> a écrit :\n\nancien texte","Bien" },
    { "other 6", "Ja, bitte!\nViele Grüße\nAda\n\nAm Dienstag, dem 03.03.2026 um 10:12 +0100 schrieb Acme:\n> x","Ja, bitte!\nViele Grüße\nAda" },
    { "other 7", "Yes\n\nOn 2026-03-03 10:12, Acme wrote:\n> x","Yes" },
    { "other 8", "Yes\n\nOn Tuesday 3 March 2026 10:12:11 CET Acme wrote:\n> x","Yes" },
    { "other 9", "Yes\n\n* Acme <a@b.example> [2026-03-03 10:12]:\n> x","Yes" },
    { "other 10", "Yes\n\nAcme <a@b.example> writes:\n\n> x","Yes" },
    { "other 11", "Yes\n\nQuoting Acme <a@b.example>:\n\n> x","Yes" },
    { "other 12", "Yes\n\n---------- Forwarded message ---------\nFrom: a\nDate: b\n\nx","Yes" },
    { "other 13", "Sent from the office yesterday, did it arrive?\nAda","Sent from the office yesterday, did it arrive?\nAda" },
    { "other 14", "Steps:\n----- one -----\ndo\n----- two -----\ndo","Steps:\n----- one -----\ndo\n----- two -----\ndo" },
    { "other 15", "Total: 5\nDate: today\nTo: me\nthanks","Total: 5\nDate: today\nTo: me\nthanks" },
    { "other 16", "Yes\n\n> Le 3 mars 2026 à 10:12, A <a@b> a écrit :\n> \n> x\n\n","Yes" },
    { "other 17", "是的\n\n发件人： Acme <a@b>\n发送时间： 2026年\n收件人： Ada\n主题： x\n\n旧","是的" },
    { "other 18", "Да\n\nОт: Acme\nОтправлено: вторник\nКому: Ada\nТема: x\n\nстарое","Да" },
    { "other 19", "Evet\n\nAcme <a@b.example>, 3 Mar 2026 Sal, 10:12 tarihinde şunu yazdı:\n\n> x","Evet" },
    { "other 20", "Ano\n\nút 3. 3. 2026 v 10:12 odesílatel Acme <a@b.example> napsal:\n\n> x","Ano" },
    -- html without a text
    { "gmail's html", { html = '<div dir="ltr">Yes &amp; no.<br><br>Ada</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">On Tue, Acme wrote:<br></div><blockquote class="gmail_quote">Hi</blockquote></div>' }, "Yes & no.\n\nAda" },
    { "outlook's html", { html = '<html><head><style>p{}</style></head><body><p class=MsoNormal>Close it.</p><p class=MsoNormal>&nbsp;</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class=MsoNormal><b>From:</b> Acme<br><b>Sent:</b> Tuesday<br><b>To:</b> Ada<br><b>Subject:</b> x</p></div><p>Hi</p></body></html>' }, "Close it." },
    { "outlook.com's html", { html = '<div>Close it.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Acme</div><div>Hi</div>' }, "Close it." },
    { "apple's html", { html = '<html><body>Perfect.<div><br><blockquote type="cite"><div>On 3 Mar 2026, Acme wrote:</div>Hi</blockquote></div></body></html>' }, "Perfect." },
    { "thunderbird's html", { html = '<p>No idea.</p><div class="moz-cite-prefix">On 3/3/26, Acme wrote:<br></div><blockquote type="cite">Hi</blockquote><div class="moz-signature">-- <br>Ada</div>' }, "No idea." },
    { "capitals", { html = '<HTML><BODY><P>Yes.</P><BLOCKQUOTE>old</BLOCKQUOTE></BODY></HTML>' }, "Yes." },
    { "a quote first, the answer below", { html = '<div class="moz-cite-prefix">On 3/3/26 10:12, Acme wrote:<br></div><blockquote type="cite">Is it on?</blockquote><p>Yes, it is.</p>' }, "Yes, it is." },
    { "a list", { html = "<ul><li>one</li><li>two</li></ul>" }, "one\n\ntwo" },
    { "nothing", { html = "" }, "" },
}

local wrong = {}
for _, case in ipairs(cases) do
    local kind, input, expected = case[1], case[2], case[3]
    local got = type(input) == "table" and reply_text(nil, input.html) or reply_text(input)
    if got ~= expected then table.insert(wrong, ("%s: %q, not %q"):format(kind, tostring(got), expected)) end
end
if #wrong > 0 then error(("%d of %d: \n%s"):format(#wrong, #cases, table.concat(wrong, "\n")), 0) end
return #cases
